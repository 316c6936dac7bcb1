"""The ways to propagate, by name; each is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_promptseg.backends.base import Backend
    from napari_promptseg.propagate.stack import Propagator

_PLACES: Final = {
    "stack": "network:StackPropagator",
    "chain": "chains:Chains",
    "projection": "projection:Projection",
    "copy": "baselines:Copy",
    "distance": "baselines:SignedDistance",
    "flow": "flow:FlowWarp",
    "walker": "walker:RandomWalker",
}
_AUTO: Final = "auto"


def list_propagators() -> list[str]:
    """Return the valid names, without importing any."""
    return list(_PLACES)


def split_spec(spec: str) -> tuple[str, str]:
    """Split "clicknet+flips@flow" into the backend with its wrappers and the propagator.

    Returns
    -------
    backend, propagator : str
        The propagator is "auto" where none is named.

    Raises
    ------
    ValueError
        If there is no propagator of that name.
    """
    backend, _, propagator = spec.partition("@")
    propagator = propagator or _AUTO
    if propagator not in (_AUTO, *_PLACES):
        raise ValueError(f"unknown propagator {propagator!r}; valid: {[_AUTO, *_PLACES]}")
    return backend, propagator


def create_propagator(name: str, backend: Backend) -> Propagator:
    """Make a propagator for the answers of a backend.

    Parameters
    ----------
    name : str
        One of `list_propagators`; "auto" is "stack" for ClickNet, whose prompts the
        network for stacks was trained with, and "chain" for any other backend.
    backend : Backend
        Answers planes where the propagator needs it.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not work with this backend.
    """
    if name == _AUTO:
        name = "stack" if backend.name == "clicknet" else "chain"
    if name not in _PLACES:
        raise ValueError(f"unknown propagator {name!r}; valid: {list_propagators()}")
    module, _, attribute = _PLACES[name].partition(":")
    found = getattr(import_module(f"napari_promptseg.propagate.{module}"), attribute)
    propagator: Propagator = found(backend)
    return propagator
