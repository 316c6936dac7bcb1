"""Wrapper selection: the switches of `Refinement` and the text that names them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from napari_promptseg.models.base import Backend
from napari_promptseg.models.registry import create_backend, list_backends
from napari_promptseg.wrappers.brs import Brs
from napari_promptseg.wrappers.cleanup import Cleanup
from napari_promptseg.wrappers.embedding_cache import EmbeddingCache
from napari_promptseg.wrappers.test_time_augmentation import Flips, Multiscale
from napari_promptseg.wrappers.tiling import Tiling
from napari_promptseg.wrappers.zoom import ZoomIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.models.base import Capabilities


@dataclass(frozen=True, slots=True)
class Refinement:
    """Wrappers to put around a backend.

    Each is on (True), off (False), or at its default (None). Wrappers that are on by default
    are left out for backends that lack a capability they need.

    Parameters
    ----------
    zoom : bool or None
        `ZoomIn`: inference on a crop around the object. On by default.
    multiscale : bool or None
        `Multiscale`: average over three scales. Off by default; needs a scalable backend.
    flips : bool or None
        `Flips`: average with the mirror image. Off by default.
    brs : bool or None
        `Brs`: every click holds. On by default; needs a differentiable backend.
    cleanup : bool or None
        `Cleanup`: smooth edges, no tiny holes or stray components. On by default for
        differentiable backends, whose networks leave such artefacts.
    """

    zoom: bool | None = None
    multiscale: bool | None = None
    flips: bool | None = None
    brs: bool | None = None
    cleanup: bool | None = None

    def resolved(self, capabilities: Capabilities) -> Refinement:
        """Return the switches for a backend with all defaults filled in.

        Raises
        ------
        ValueError
            If a wrapper that is on needs a capability that the backend lacks.
        """
        switches = {}
        for name in PARTS:
            requested, possible = getattr(self, name), able(name, capabilities)
            if requested and not possible:
                valid = [part for part in PARTS if able(part, capabilities)]
                raise ValueError(
                    f"refinement {name!r} needs a {_NEEDS[name]} backend; valid for this: {valid}"
                )
            switches[name] = requested if requested is not None else _by_default(name, capabilities)
        return replace(self, **switches)

    def spec(self, backend: str) -> str:
        """Return the one-line text that `parse_spec` reads."""
        signs = {None: "", True: "+", False: "-"}
        switches = {name: getattr(self, name) for name in PARTS}
        return backend + "".join(
            signs[on] + name for name, on in switches.items() if on is not None
        )


PARTS: Final = tuple(field.name for field in fields(Refinement))
"""Names of the wrappers."""
_ON: Final = {"brs": "differentiable", "cleanup": "differentiable"}
"""Wrappers on by default beside the zoom-in, and the capability that switches them on."""
_NEEDS: Final = {"multiscale": "scalable", "brs": "differentiable"}
"""Capability that a wrapper needs."""
_ORDER: Final[dict[str, Callable[[Backend], Backend]]] = {
    "multiscale": Multiscale,
    "flips": Flips,
    "brs": Brs,
    "zoom": ZoomIn,
    "cleanup": Cleanup,
}
"""From the innermost to the outermost."""


def able(part: str, capabilities: Capabilities) -> bool:
    """Return whether a backend has the capability that a part of `Refinement` needs."""
    return part not in _NEEDS or bool(getattr(capabilities, _NEEDS[part]))


def _by_default(part: str, capabilities: Capabilities) -> bool:
    if capabilities.refined:
        return False
    if part == "zoom":  # each crop would need an embedding of its own
        return not capabilities.costly_embedding
    return part in _ON and bool(getattr(capabilities, _ON[part]))


def parse_spec(spec: str, refinement: Refinement | None = None) -> tuple[str, Refinement]:
    """Split the text that names a backend and its wrappers.

    Parameters
    ----------
    spec : str
        A name of `list_backends`, one of its models after a colon where it has several, then
        ``+part`` or ``-part`` for each wrapper that is switched on or off, such as
        "clicknet+flips", "grabcut-zoom" or "sam:vit_b".
    refinement : Refinement, optional
        Switches for the wrappers that the text does not name.

    Raises
    ------
    ValueError
        If there is no such backend or part.
    """
    names = sorted(list_backends())
    matches = [n for n in names if spec == n or spec.startswith((f"{n}+", f"{n}-", f"{n}:"))]
    if not matches:
        raise ValueError(
            f"unknown backend {spec!r}; valid backends: {names}, "
            f"each with +part or -part of {list(PARTS)}"
        )
    name = max(matches, key=len)
    rest = spec[len(name) :]
    if rest.startswith(":"):
        name += re.split("[+-]", rest)[0]
    switches = {}
    for sign, part in re.findall(r"([+-])([^+-]*)", rest):
        if part not in PARTS:
            raise ValueError(f"unknown refinement {part!r} in {spec!r}; valid: {list(PARTS)}")
        switches[part] = sign == "+"
    return name, replace(refinement or Refinement(), **switches)


def build(
    backend: str | Backend, refinement: Refinement | None = None, device: str = "auto"
) -> Backend:
    """Return a backend with its wrappers around it.

    Parameters
    ----------
    backend : str or Backend
        A text for `parse_spec`, or a backend, which is taken as it is where no
        refinement is given.
    refinement : Refinement, optional
        Which wrappers; the default ones when not given.
    device : str
        "auto", "cpu", "cuda" or "mps"; for a backend that is created by name.

    Raises
    ------
    ValueError
        If there is no such backend or part, or the backend lacks a capability that a part needs.
    TypeError
        If the object is not a backend.
    """
    if isinstance(backend, str):
        name, refinement = parse_spec(backend, refinement)
        backend = create_backend(name, device=device)
    elif not isinstance(backend, Backend):
        raise TypeError(f"backend must be a name or a Backend, got {type(backend).__name__}")
    if refinement is None:
        return backend
    switches = refinement.resolved(backend.capabilities)
    if backend.capabilities.costly_embedding:
        backend = Tiling(EmbeddingCache(backend))
    for part, wrapper in _ORDER.items():
        if getattr(switches, part):
            backend = wrapper(backend)
    return backend
