"""Prediction on single planes, for clients that keep the session themselves."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.remote.protocol import ModelInfo, PlaneAnswered
from napari_promptseg.server.limits import check_strokes
from napari_promptseg.wrappers.options import Refinement, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_promptseg.models.base import Backend
    from napari_promptseg.remote.protocol import Line, PlaneOffer, PlaneQuestion

_MAX_PLANES: Final = 8
MAX_PLANE_BYTES: Final = 2**28
"""Bytes of a plane, and of all that are kept of a user."""
_PIECE: Final = 3 * 2**18
"""Bytes that are encoded at a time, in which no other thread runs; a multiple of three."""


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
        self._sizes: dict[str, int] = {}

    @property
    def _backend(self) -> Backend:
        if self._refined is None:
            self._refined = build(self._make(), Refinement())
        return self._refined

    def info(self) -> ModelInfo:
        """Return the model and its capabilities."""
        capabilities = self._backend.capabilities
        return ModelInfo(
            name=self._backend.name,
            identity=self._backend.identity,
            prompts=tuple(sorted(capabilities.prompts)),
            prior=capabilities.prior,
            choices=capabilities.choices,
        )

    def put(self, key: str, plane: PlaneOffer) -> None:
        """Embed a plane, and keep the embedding.

        Raises
        ------
        ValueError
            If it is damaged or too large.
        """
        size = np.dtype(plane.dtype).itemsize * int(np.prod([int(n) for n in plane.shape]))
        if size > MAX_PLANE_BYTES:
            raise ValueError(f"a plane may have {MAX_PLANE_BYTES} bytes, this has {size}")
        values = unpack(plane.data, plane.shape, plane.dtype)
        image = PlaneImage(values, Window(*plane.window), plane.spacing, is_section=plane.section)
        self._embedded[key] = image.shape, self._backend.embed(image)
        self._embedded.move_to_end(key)
        self._sizes[key] = size
        while len(self._embedded) > _MAX_PLANES or (
            len(self._embedded) > 1 and sum(self._sizes.values()) > MAX_PLANE_BYTES
        ):
            oldest, _ = self._embedded.popitem(last=False)
            del self._sizes[oldest]

    def answer(self, key: str, question: PlaneQuestion) -> PlaneAnswered:
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
        lines = (*question.strokes, *question.regions)
        check_strokes([(line.path, line.width) for line in lines], shape)
        prompts = PlanePrompts(
            tuple(Stroke(_corners(line), line.positive, line.width) for line in question.strokes),
            tuple(Region(_corners(line), line.positive, line.box) for line in question.regions),
            choice=question.choice,
        )
        prior = None if question.prior is None else unpack(question.prior, shape, np.bool_)
        prediction = self._backend.predict(embedding, prompts, prior)
        return PlaneAnswered.model_construct(
            rows=prediction.rows,
            columns=prediction.columns,
            score=prediction.score,
            data=pack(prediction.probability.astype("<f4")),
        )

    def close(self) -> None:
        """Free the planes and the model; both come back with the next request."""
        self._embedded.clear()
        self._sizes.clear()
        self._refined = None


def _corners(line: Line) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(line.path, np.float64)


def answer_pieces(reply: PlaneAnswered) -> Iterator[bytes]:
    """Yield the JSON of an answer, which of a large plane has tens of megabytes, piece by piece."""
    frame = reply.model_copy(update={"data": b""}).model_dump_json()
    before, after = frame.split('"data":""')
    yield f'{before}"data":"'.encode()
    data = memoryview(reply.data)
    for start in range(0, len(data), _PIECE):
        yield b64encode(data[start : start + _PIECE])
    yield f'"{after}'.encode()
