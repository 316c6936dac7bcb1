"""Planes of one user that prompts are answered on, for sessions that are kept by the client."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.remote.protocol import ModelInfo, PlaneAnswered
from napari_promptseg.wrappers.options import Refinement, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg.models.base import Backend
    from napari_promptseg.remote.protocol import Line, PlaneOffer, PlaneQuestion

_KEPT: Final = 8
LARGEST: Final = 2**28
"""Bytes of a plane."""


class Planes:
    """Keeps the last planes as the model sees them.

    Parameters
    ----------
    backend : callable
        Returns the model that all share.
    """

    def __init__(self, backend: Callable[[], Backend]) -> None:
        self._make = backend
        self._refined: Backend | None = None
        self._embedded: OrderedDict[str, tuple[tuple[int, int], Any]] = OrderedDict()

    @property
    def _backend(self) -> Backend:
        if self._refined is None:
            self._refined = build(self._make(), Refinement())
        return self._refined

    def info(self) -> ModelInfo:
        """Tell what answers."""
        able = self._backend.capabilities
        return ModelInfo(
            name=self._backend.name,
            identity=self._backend.identity,
            prompts=tuple(sorted(able.prompts)),
            prior=able.prior,
            choices=able.choices,
        )

    def put(self, key: str, plane: PlaneOffer) -> None:
        """Look at a plane, and keep what is seen.

        Raises
        ------
        ValueError
            If it is damaged or too large.
        """
        size = np.dtype(plane.dtype).itemsize * int(np.prod([int(n) for n in plane.shape]))
        if size > LARGEST:
            raise ValueError(f"a plane may have {LARGEST} bytes, this has {size}")
        values = unpack(plane.data, plane.shape, plane.dtype)
        image = PlaneImage(values, Window(*plane.window), plane.spacing)
        self._embedded[key] = image.shape, self._backend.embed(image)
        self._embedded.move_to_end(key)
        if len(self._embedded) > _KEPT:
            self._embedded.popitem(last=False)

    def answer(self, key: str, asked: PlaneQuestion) -> PlaneAnswered:
        """Answer prompts on a plane.

        Raises
        ------
        FileNotFoundError
            If the plane is not kept any more.
        ValueError
            If the prompts or the prior do not fit it.
        """
        if key not in self._embedded:
            raise FileNotFoundError(f"no plane {key!r}")
        self._embedded.move_to_end(key)
        shape, embedding = self._embedded[key]
        prompts = PlanePrompts(
            tuple(Stroke(_corners(line), line.positive, line.width) for line in asked.strokes),
            tuple(Region(_corners(line), line.positive, line.box) for line in asked.regions),
            choice=asked.choice,
        )
        prior = None if asked.prior is None else unpack(asked.prior, shape, np.bool_)
        found = self._backend.predict(embedding, prompts, prior)
        return PlaneAnswered.model_construct(
            rows=found.rows,
            columns=found.columns,
            score=found.score,
            data=pack(found.probability.astype("<f4")),
        )

    def forget(self) -> None:
        """Free the planes."""
        self._embedded.clear()


def _corners(line: Line) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(line.path, np.float64)
