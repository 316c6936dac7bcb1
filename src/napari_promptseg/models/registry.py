"""Registry of backends by name, discovered through entry points."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.models.base import Backend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUP: Final = "napari_promptseg.backends"
"""Entry-point group in which packages register backends."""


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """A registered backend, loaded or not.

    Parameters
    ----------
    name : str
        Name under which it is registered.
    target : str
        ``module:attribute`` of its class.
    distribution : str
        Package that registered it.
    """

    name: str
    target: str
    distribution: str


@cache
def entry_points(group: str) -> EntryPoints:
    """Return the entry points of a group; found once, since a file of each package is read."""
    return importlib.metadata.entry_points(group=group)


def _entries() -> dict[str, EntryPoint]:
    """Return the entry points by name; the package's own win over others of the same name."""
    entries = sorted(
        entry_points(group=GROUP),
        key=lambda e: e.value.startswith("napari_promptseg."),
    )
    return {entry.name: entry for entry in entries}


def list_backends() -> dict[str, BackendInfo]:
    """Return all registered backends by name, without importing any.

    Returns
    -------
    dict of str to BackendInfo
        Sorted by name.
    """
    infos = {}
    for name, entry in sorted(_entries().items()):
        distribution = entry.dist.name if entry.dist else "unknown"
        infos[name] = BackendInfo(name, entry.value, distribution)
    return infos


def load_error(name: str) -> str:
    """Import the class of a backend; return the error, or an empty text.

    Exceptions from third-party packages are returned as text, not propagated.
    """
    try:
        _entries()[name].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may even exit
        return f"{type(error).__name__}: {error}"
    return ""


def backend_prompts(name: str) -> tuple[str, ...]:
    """Return the prompts that the class of a backend supports, if it declares any."""
    capabilities = getattr(_entries()[name].load(), "capabilities", None)
    return tuple(sorted(getattr(capabilities, "prompts", ())))


def backends_with(capability: str) -> list[str]:
    """Return the sorted names of the backends whose class declares a capability.

    Parameters
    ----------
    capability : str
        A bool field of `Capabilities`. Backends that cannot be loaded are left out.
    """
    names = []
    for name, entry in sorted(_entries().items()):
        if not load_error(name):
            capabilities = getattr(entry.load(), "capabilities", None)
            if getattr(capabilities, capability, False):
                names.append(name)
    return names


def create_backend(name: str, **options: Any) -> Backend:
    """Create a backend by name.

    Parameters
    ----------
    name : str
        One of `list_backends`; a model of several follows a colon, as in "sam:vit_b".
    **options
        Arguments of its class, for example ``device="cuda"``.

    Raises
    ------
    ValueError
        If no backend has that name.
    ImportError
        If its module cannot be imported; the cause is chained.
    TypeError
        If the registered object is not a backend; the missing members are named.
    """
    entries = _entries()
    name, _, variant = name.partition(":")
    if variant:
        options["variant"] = variant
    if name not in entries:
        raise ValueError(f"unknown backend {name!r}; valid backends: {sorted(entries)}")
    try:
        factory = entries[name].load()
    except (Exception, SystemExit) as error:
        raise ImportError(
            f"backend {name!r} ({entries[name].value}) cannot be loaded: {error}"
        ) from error
    backend = factory(**options)
    if not isinstance(backend, Backend):
        required = ("name", "identity", "capabilities", "embed", "predict", "close")
        missing = [attribute for attribute in required if not hasattr(backend, attribute)]
        raise TypeError(f"backend {name!r} lacks {missing}")
    return backend
