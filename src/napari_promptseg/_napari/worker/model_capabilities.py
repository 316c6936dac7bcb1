"""Capabilities of the loaded model, and the wrappers around it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_promptseg.propagation.registry import AUTO, create_propagator, list_propagators
from napari_promptseg.wrappers.options import PARTS, Refinement, able

if TYPE_CHECKING:
    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.models.base import Backend

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """Capabilities of the loaded model, for the main thread.

    Parameters
    ----------
    parts : frozenset of str
        Wrappers that can be put around it.
    on : frozenset of str
        Those that are around it.
    uncertainty : bool
        Whether it can tell how sure it is.
    propagators : frozenset of str
        Those that work with it.
    choices : int
        Answers to prompts that can be meant in several ways.
    costly : bool
        Whether it takes long to look at a plane, so that it pays to do so ahead of time.
    understands_text : bool
        Whether it understands words itself.
    """

    parts: frozenset[str]
    on: frozenset[str]
    uncertainty: bool
    propagators: frozenset[str]
    choices: int = 1
    costly: bool = False
    understands_text: bool = False


def refine(session: AnySession, requested: Refinement) -> ModelCapabilities:
    """Put those wrappers around the model of a session that are requested and possible.

    The model of a server stays as it is there.

    Parameters
    ----------
    session : AnySession
        On the thread that works on it; its model is loaded.
    requested : Refinement
        For any model: what this one cannot do is left as it is by default.
    """
    capabilities = session.loaded_backend.capabilities
    if session.server is not None:
        return ModelCapabilities(frozenset(), frozenset(), False, frozenset(), capabilities.choices)
    parts = frozenset(part for part in PARTS if able(part, capabilities))
    refinement = replace(requested, **{part: None for part in PARTS if part not in parts})
    if session.refinement != refinement:
        session.refinement = refinement
    resolved = refinement.resolved(capabilities)
    on = frozenset(part for part in PARTS if getattr(resolved, part))
    usable = usable_propagators(session.loaded_backend)
    if session.propagator not in (AUTO, *usable):
        session.propagator = AUTO
    return ModelCapabilities(
        parts,
        on,
        capabilities.differentiable,
        usable,
        capabilities.choices,
        capabilities.costly_embedding,
        "text" in capabilities.prompts,
    )


def usable_propagators(backend: Backend) -> frozenset[str]:
    """Return the names of the propagators that work with a backend."""
    usable = set()
    for name in list_propagators():
        try:
            create_propagator(name, backend)
            usable.add(name)
        except ValueError:  # it does not work with this backend
            continue
        except Exception as error:  # of another package: the others stay usable
            _log.warning("propagator %r is left out: %s", name, error)
    return frozenset(usable)
