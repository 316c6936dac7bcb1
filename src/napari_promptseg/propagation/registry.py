"""Registry of propagators by name: built in, or discovered through entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from napari_promptseg.models.base import BackendTraits
from napari_promptseg.propagation.base import Propagator

if TYPE_CHECKING:
    from napari_promptseg.models.base import Backend

GROUP: Final = "napari_promptseg.propagators"
"""Entry-point group in which other packages register propagators."""
AUTO: Final = "auto"
"""Name that leaves the choice to `create_propagator`."""
_BUILT_IN: Final = {
    "network": "volumenet.propagator:NetworkPropagator",
    "chain": "sequential:SequentialPropagator",
    "projection": "prompt_projection:PromptProjection",
    "copy": "baselines:Copy",
    "distance": "baselines:SignedDistance",
    "flow": "optical_flow:FlowWarp",
    "walker": "random_walker.propagator:RandomWalker",
    "sam2": "sam2:Sam2Propagator",
    "edgetam": "edgetam:EdgeTamPropagator",
    "nninteractive": "nninteractive:NnInteractivePropagator",
    "voxtell": "voxtell:VoxTellPropagator",
}


def _third_party() -> dict[str, EntryPoint]:
    """Return the entry points of other packages by name; built-in names are not replaced."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return {e.name: e for e in entries if e.name != AUTO and e.name not in _BUILT_IN}


def _find(name: str) -> EntryPoint:
    """Return the entry point of a propagator; raise `ValueError` if there is none."""
    if name in _BUILT_IN:
        return EntryPoint(name, f"napari_promptseg.propagation.{_BUILT_IN[name]}", GROUP)
    others = _third_party()
    if name not in others:
        raise ValueError(f"unknown propagator {name!r}; valid: {[AUTO, *_BUILT_IN, *others]}")
    return others[name]


def list_propagators() -> list[str]:
    """Return the names of all propagators, built-in ones first, without importing any."""
    return [*_BUILT_IN, *_third_party()]


def load_error(name: str) -> str:
    """Import the class of a propagator; return the error, or an empty text.

    Exceptions from third-party packages are returned as text, not propagated.

    Raises
    ------
    ValueError
        If there is no propagator of that name.
    """
    entry = _find(name)
    try:
        entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may even exit
        return f"{type(error).__name__}: {error}"
    return ""


def checked_name(name: str) -> str:
    """Return the name of a propagator, or "auto", unchanged.

    Raises
    ------
    ValueError
        If there is no propagator of that name.
    """
    if name != AUTO:
        _find(name)
    return name


def split_spec(spec: str, propagator: str = AUTO) -> tuple[str, str]:
    """Split "clicknet+flips@flow" into the backend with its wrappers and the propagator.

    Parameters
    ----------
    spec : str
        Text of a user.
    propagator : str
        Propagator where the text names none.

    Raises
    ------
    ValueError
        If there is no propagator of that name.
    """
    backend, _, name = spec.partition("@")
    return backend, checked_name(name or propagator)


def join_spec(backend: str, propagator: str) -> str:
    """Return the text that `split_spec` splits."""
    return backend if propagator == AUTO else f"{backend}@{propagator}"


def create_propagator(name: str, backend: Backend) -> Propagator:
    """Create a propagator by name.

    Parameters
    ----------
    name : str
        One of `list_propagators`; "auto" is the default propagator of the backend
        (`BackendTraits`), otherwise "chain", or "projection" for backends without priors.
    backend : Backend
        Backend of the session.

    Raises
    ------
    ValueError
        If there is no propagator of that name, or it does not work with this backend.
    ImportError
        If the module of the propagator cannot be imported; the cause is chained.
    TypeError
        If the registered object is not a propagator; the missing members are named.
    """
    if name == AUTO:
        general = "chain" if backend.capabilities.prior else "projection"
        name = BackendTraits.of(backend).default_propagator or general
    entry = _find(name)
    try:
        factory = entry.load()
    except (Exception, SystemExit) as error:
        raise ImportError(
            f"propagator {name!r} ({entry.value}) cannot be loaded: {error}"
        ) from error
    propagator = factory(backend)
    if not isinstance(propagator, Propagator):
        missing = [member for member in ("name", "fill") if not hasattr(propagator, member)]
        raise TypeError(f"propagator {name!r} lacks {missing}")
    return propagator
