"""Embedding all planes of a volume ahead of the first click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import Plane, plane_at
from napari_promptseg.wrappers.base import Wrapper
from napari_promptseg.wrappers.embedding_cache import EmbeddingCache
from napari_promptseg.wrappers.tiling import Tiling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plane that is embedded now.

    Parameters
    ----------
    plane : Plane
        Which one.
    computed : bool
        Whether it was embedded now; else it was kept from before.
    done, total : int
        Planes so far, and in all.
    """

    plane: Plane
    computed: bool
    done: int
    total: int


def planes_outward(
    volume: Volume, start: int | None, stop: int | None, near: int | None
) -> list[Plane]:
    """Return the planes of a volume along its first axis, those nearest to one first.

    Raises
    ------
    ValueError
        If the range is empty or outside.
    """
    names, shape = volume.names, volume.shape
    if len(shape) == 2:
        return [plane_at(names, [0.0, 0.0])]
    count = shape[0]
    begin, end = 0 if start is None else start, count if stop is None else stop
    if not 0 <= begin < end <= count:
        raise ValueError(f"planes {begin} to {end} are not within 0 to {count}")
    middle = (begin + end) // 2 if near is None else near
    first = sorted(range(begin, end), key=lambda index: abs(index - middle))
    rest = range(shape[1]) if len(shape) == 4 else (None,)
    return [
        Plane((index, None, None) if other is None else (index, other, None, None))
        for index in first
        for other in rest
    ]


def prepare(volume: Volume, backend: Backend, planes: list[Plane]) -> Iterator[Prepared]:
    """Embed planes one after the other; those that are kept from before cost next to nothing.

    Raises
    ------
    ValueError
        If the backend keeps no embeddings.
    """
    inner: Backend = backend
    while isinstance(inner, Wrapper) and not isinstance(inner, EmbeddingCache):
        inner = inner.backend
    if not isinstance(inner, EmbeddingCache):
        raise ValueError(
            f"backend {backend.name!r} has nothing to prepare: it looks at a plane anew with "
            "each prompt, and does so quickly"
        )
    return _prepared(volume, inner, planes)


def _prepared(volume: Volume, backend: EmbeddingCache, planes: list[Plane]) -> Iterator[Prepared]:
    for number, plane in enumerate(planes, 1):
        new = [part for part in Tiling.parts(volume.plane(plane)) if not backend.is_cached(part)]
        for part in new:
            backend.embed(part)
        yield Prepared(plane, bool(new), number, len(planes))
