"""The ways to propagate, by name; each is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_promptseg.models.base import Backend
    from napari_promptseg.propagation.base import Propagator

_PLACES: Final = {
    "network": "volumenet.propagator:NetworkPropagator",
    "chain": "sequential:SequentialPropagator",
    "projection": "prompt_projection:PromptProjection",
    "copy": "baselines:Copy",
    "distance": "baselines:SignedDistance",
    "flow": "optical_flow:FlowWarp",
    "walker": "random_walker.propagator:RandomWalker",
    "sam2": "sam2:Sam2Propagator",
    "nninteractive": "nninteractive:NnInteractivePropagator",
}
_OWN: Final = {"clicknet": "network", "sam2": "sam2", "nninteractive": "nninteractive"}
"""What was made for a backend."""
AUTO: Final = "auto"
"""Leaves the choice to `create_propagator`."""


def list_propagators() -> list[str]:
    """Return the valid names, without importing any."""
    return list(_PLACES)


def checked_name(name: str) -> str:
    """Return the name of a propagator, or "auto", if it is one.

    Raises
    ------
    ValueError
        If it is not.
    """
    if name not in (AUTO, *_PLACES):
        raise ValueError(f"unknown propagator {name!r}; valid: {[AUTO, *_PLACES]}")
    return name


def split_spec(spec: str, propagator: str = AUTO) -> tuple[str, str]:
    """Split "clicknet+flips@flow" into the backend with its wrappers and the propagator.

    Parameters
    ----------
    spec : str
        What a user wrote.
    propagator : str
        What holds where the text names none.

    Raises
    ------
    ValueError
        If there is no propagator of that name.
    """
    backend, _, named = spec.partition("@")
    return backend, checked_name(named or propagator)


def join_spec(backend: str, propagator: str) -> str:
    """Return the text that `split_spec` reads."""
    return backend if propagator == AUTO else f"{backend}@{propagator}"


def create_propagator(name: str, backend: Backend) -> Propagator:
    """Make a propagator for the answers of a backend.

    Parameters
    ----------
    name : str
        One of `list_propagators`; "auto" is what was made for the backend, as "network" for
        ClickNet and the memory of SAM 2, "chain" for others, or "projection" for those that
        cannot start from a mask.
    backend : Backend
        Answers planes where the propagator needs it.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not work with this backend.
    """
    if name == AUTO and backend.name in _OWN:
        name = _OWN[backend.name]
    elif name == AUTO:
        name = "chain" if backend.capabilities.prior else "projection"
    module, _, attribute = _PLACES[checked_name(name)].partition(":")
    found = getattr(import_module(f"napari_promptseg.propagation.{module}"), attribute)
    propagator: Propagator = found(backend)
    return propagator
