"""Image features, and batched answers to clicks, from the shipped network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import Window, stretch_contrast
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.data.resize import resize
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.backends.clicknet import ClickNetBackend, shipped_weights
from napari_promptseg.models.batching import Query
from napari_promptseg.models.instance_weights import InstanceNetwork
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.models.capabilities import DenseFeatures

Float32 = NDArray[np.float32]
_STRIDE: Final = 32
"""Sides of the network input are multiples of it."""
_CROP_SIDE: Final = 128
"""Side of the crop of one question, a third of which the object fills."""


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """Features of an image at one scale.

    Parameters
    ----------
    vectors : (N, C) float32 array
        Of the cells of a grid, row by row.
    grid : (int, int)
        Its rows and columns.
    shape : (int, int)
        Rows and columns of the image, which the cells divide evenly.
    """

    vectors: Float32
    grid: tuple[int, int]
    shape: tuple[int, int]

    @property
    def step(self) -> tuple[float, float]:
        """Size of a cell in pixels of the image, along rows and columns."""
        return self.shape[0] / self.grid[0], self.shape[1] / self.grid[1]

    def downsample(self, values: NDArray[np.generic]) -> Float32:
        """Average (H, W) values of the image over the cells."""
        return resize(values.astype(np.float32), self.grid)

    def under(self, mask: NDArray[np.bool_], corner: tuple[int, ...]) -> Float32:
        """Return the vectors of the cells that a mask covers, at least of one.

        Parameters
        ----------
        mask : (h, w) bool array
            Mask of a part of the image.
        corner : (int, int)
            First row and column of the part.
        """
        down, right = self.step
        rows, columns = np.nonzero(mask)
        cells = (rows + corner[0]) // down, (columns + corner[1]) // right
        flat = np.unique(cells[0].astype(int) * self.grid[1] + cells[1].astype(int))
        return np.asarray(self.vectors[flat])


@dataclass(frozen=True, slots=True)
class Question:
    """A click, the square crop around it, and an optional prior mask.

    Parameters
    ----------
    click : (float, float)
        Row and column of the image.
    top, left, side : int
        Square crop; it may extend beyond the image.
    guess : (H, W) bool array, optional
        Prior mask of the part of the square inside the image.
    """

    click: tuple[float, float]
    top: int
    left: int
    side: int
    guess: NDArray[np.bool_] | None = None

    def inside(self, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Return the part of the square that lies in an image of this shape."""
        rows, columns = (
            slice(max(start, 0), min(start + self.side, size))
            for start, size in zip((self.top, self.left), shape, strict=True)
        )
        return rows, columns

    def padding(self, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return how far the square extends beyond each edge, in the form of `numpy.pad`."""
        before = max(-self.top, 0), max(-self.left, 0)
        after = (
            max(start + self.side - size, 0)
            for start, size in zip((self.top, self.left), shape, strict=True)
        )
        rows, columns = zip(before, after, strict=True)
        return rows, columns


def network_identity() -> str:
    """Return the identity of the feature network without loading it.

    Features of different networks cannot be compared.
    """
    return weights_identity(ClickNetBackend.name, shipped_weights())


def dense_features(backend: DenseFeatures, image: Float32, factor: float) -> FeatureMap:
    """Return the features of an image from a backend, see `FeatureExtractor.extract`."""
    height, width = image.shape[:2]
    rows, columns = (max(1, round(n * factor / _STRIDE)) * _STRIDE for n in (height, width))
    pixels = stretch_contrast(resize(image, (rows, columns)))
    features = backend.dense(pixels.transpose(2, 0, 1)[None])[0]
    flat = np.ascontiguousarray(features.reshape(len(features), -1).T)
    return FeatureMap(flat, (features.shape[1], features.shape[2]), (height, width))


class FeatureExtractor:
    """Extracts features, and answers batches of clicks, with the shipped network.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._backend = ClickNetBackend(device)
        self._crop_backend = self._backend.at_scale(_CROP_SIDE / self._backend.side)

    @cached_property
    def instance_network(self) -> InstanceNetwork:
        """The network that finds all objects, loaded on first use."""
        return InstanceNetwork(self._device)

    def extract(self, image: Float32, factor: float) -> FeatureMap:
        """Return the features of an image at a scale.

        Parameters
        ----------
        image : (H, W, 3) float32 array
            Values in [0, 1].
        factor : float
            Scale of the network input, whose sides are rounded to multiples of 32 pixels.
        """
        return dense_features(self._backend, image, factor)

    def answer(self, image: Float32, questions: Sequence[Question]) -> list[Float32]:
        """Predict every question on its crop of the image.

        Parameters
        ----------
        image : (H, W, 3) float32 array
            Values in [0, 1].
        questions : sequence of Question
            Questions, answered in batches.

        Returns
        -------
        list of (h, w) float32 array
            Probability of the object in the part of each square inside the image.
        """
        shape = image.shape[0], image.shape[1]
        queries = [_query(image, question) for question in questions]
        predictions = self._crop_backend.predict_many(queries)
        return [
            _inside(p.probability, q, shape) for p, q in zip(predictions, questions, strict=True)
        ]

    def close(self) -> None:
        """Free the network."""
        self._crop_backend.close()
        self._backend.close()
        self.__dict__.pop("instance_network", None)


def _query(image: Float32, question: Question) -> Query:
    """Return the query for the square of a question; beyond the image its edge is repeated."""
    padding = question.padding((image.shape[0], image.shape[1]))
    inside = question.inside((image.shape[0], image.shape[1]))
    square = np.pad(image[inside], (*padding, (0, 0)), mode="edge")
    click = Stroke(np.array([question.click]) - (question.top, question.left))
    guess = None if question.guess is None else np.pad(question.guess, padding)
    return Query(PlaneImage(square, Window(0.0, 1.0)), PlanePrompts((click,)), guess)


def _inside(square: Float32, question: Question, shape: tuple[int, int]) -> Float32:
    """Return the part of a square that lies in the image."""
    (above, below), (before, after) = question.padding(shape)
    return square[above : question.side - below, before : question.side - after]


def square_pixels(image: PlaneImage) -> Float32:
    """Return a plane as colors, its coarser axis stretched so that pixels are square."""
    finest = min(image.spacing)
    rows, columns = (
        max(1, round(n * s / finest)) for n, s in zip(image.shape, image.spacing, strict=True)
    )
    return image.rgb((rows, columns))


def square_labels(labels: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return the (H, W) labels of a plane on its square pixels, numbered from 1 on."""
    square = np.zeros(shape, np.int32)
    for number, label in enumerate(np.unique(labels[labels > 0]), start=1):
        square[resize(np.asarray(labels == label), shape)] = number
    return square
