"""Toy backends, synthetic objects and comparisons that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, spatial

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.encoding.prompt_maps import fill_region
from napari_promptseg.propagation.registry import list_propagators

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session

ALL_PROMPTS = frozenset({"point", "box", "scribble", "lasso", "text"})
_OF_ONE_MODEL = ("sam2", "edgetam", "nninteractive", "voxtell")
FOR_ANY_BACKEND = [name for name in list_propagators() if name not in _OF_ONE_MODEL]
"""Propagators that do not need a backend of their own."""


def ellipsoid(
    shape: Sequence[int], centre: Sequence[float], radii: Sequence[float]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Bool array that is true inside an ellipsoid."""
    grid = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def bright(mask: np.ndarray, inside: int = 200, outside: int = 20) -> np.ndarray:
    """Uint8 image with the mask bright on a dark ground."""
    return np.where(mask, inside, outside).astype(np.uint8)


@lru_cache
def packed_cells(shape: tuple[int, int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey cells that fill a volume, with dark membranes between them, and their numbers."""
    rng = np.random.default_rng(1)
    grid = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 3)
    apart, nearest = spatial.cKDTree(rng.random((count, 3)) * shape).query(grid, k=2)
    gap = (apart[:, 1] - apart[:, 0]).reshape(shape)
    image = 0.65 - 0.5 * np.exp(-((gap / 2) ** 2)) + rng.normal(0, 0.04, shape)
    labels = nearest[:, 0].reshape(shape) + 1
    return np.clip(image * 255, 0, 255).astype(np.uint8), labels


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / max((first | second).sum(), 1))


def plane_image(values: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> PlaneImage:
    return PlaneImage(np.asarray(values), Window(0, 255), spacing)


class ToyBackend:
    """Bright regions that hold a positive prompt or touch the prior, minus refused ones.

    Deterministic and quick; keeps the shape of every image that it looks at. A click on
    the dark marks three by three pixels, so that every click changes something.
    """

    name = "toy"
    identity = "toy 1"
    capabilities = Capabilities(ALL_PROMPTS)

    def __init__(self) -> None:
        self.looks: list[tuple[int, int]] = []
        self.seen: list[PlanePrompts] = []
        self.closed = False

    def embed(self, image: PlaneImage) -> PlaneImage:
        return image

    def predict(
        self, embedding: PlaneImage, prompts: PlanePrompts, prior: np.ndarray | None = None
    ) -> Prediction:
        self.looks.append(embedding.shape)
        self.seen.append(prompts)
        values = embedding.rgb()[..., 0]
        regions, _ = ndimage.label(values > 0.5)
        foreground = np.zeros(values.shape, bool)
        background = np.zeros(values.shape, bool)
        search_area = np.ones(values.shape, bool)
        if prior is not None:
            foreground |= np.isin(regions, regions[prior & (regions > 0)]) & (regions > 0)
        if prompts.text:
            foreground |= regions > 0
        for region in prompts.regions:
            area = np.zeros(values.shape, np.uint8)
            fill_region(area, region)
            if region.positive:
                search_area &= area > 0
                foreground |= (regions > 0) & (area > 0)
            else:
                background |= area > 0
        for stroke in prompts.strokes:
            target = foreground if stroke.positive else background
            last = np.array(values.shape) - 1
            for row, column in np.clip(np.rint(stroke.path).astype(int), 0, last):
                label = regions[row, column]
                if label:
                    target |= regions == label
                else:
                    target[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
        mask = foreground & search_area & ~background
        return Prediction.whole(np.where(mask, 0.9, 0.1).astype(np.float32))

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedBackend:
    """Answers every plane by a function of (image, prompts, prior) -> probability."""

    answer: Callable[[PlaneImage, PlanePrompts, np.ndarray | None], np.ndarray]
    name: str = "scripted"
    identity: str = "scripted 1"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(ALL_PROMPTS))

    def embed(self, image: PlaneImage) -> PlaneImage:
        return image

    def predict(
        self, embedding: PlaneImage, prompts: PlanePrompts, prior: np.ndarray | None = None
    ) -> Prediction:
        answer = np.asarray(self.answer(embedding, prompts, prior), dtype=np.float32)
        return Prediction.whole(answer)

    def close(self) -> None:
        pass


class RecordingArray:
    """An array that can only be read in parts, and keeps how many values each part had."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.reads: list[int] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values.dtype

    @property
    def ndim(self) -> int:
        return self._values.ndim

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self._values[index]
        self.reads.append(int(np.size(part)))
        return part

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise AssertionError("the whole array was materialised")


@dataclass(frozen=True)
class Snapshot:
    """Everything about a session that undo and redo must bring back."""

    mask: np.ndarray
    labels: np.ndarray
    prompts: tuple[Any, ...]
    objects: dict[int, Any]
    label: int | None
    name: str

    @classmethod
    def of(cls, session: Session) -> Snapshot:
        return cls(
            session.mask.copy(),
            session.labels.copy(),
            session.prompts,
            dict(session.objects),
            session.draft.label,
            session.draft.name,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and not self.differences(other)

    __hash__ = None  # type: ignore[assignment]

    def differences(self, other: Snapshot) -> list[str]:
        """Names of what differs."""
        names = []
        for name in ("mask", "labels"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                names.append(name)
        for name in ("prompts", "objects", "label", "name"):
            if getattr(self, name) != getattr(other, name):
                names.append(name)
        return names


@dataclass(frozen=True)
class Scene:
    """A bright ellipsoid on a dark ground, in any axes; in every time point alike."""

    axes: str
    data: np.ndarray
    truth: np.ndarray
    centre: tuple[float, ...]

    @property
    def names(self) -> str:
        """Axes without channel."""
        return self.axes.removesuffix("c")

    @property
    def plane(self) -> tuple[int | slice, ...]:
        """Index of the plane through the centre that a prompt acts on."""
        fixed = "tz" if "z" in self.axes else "t"
        return tuple(
            int(c) if name in fixed else slice(None)
            for name, c in zip(self.names, self.centre, strict=True)
        )

    @property
    def index(self) -> int | tuple[int, ...]:
        """Index that `Session.add_mask` takes for `plane`."""
        entries = tuple(i for i in self.plane if not isinstance(i, slice))
        return entries[0] if len(entries) == 1 else entries

    def at(self, **coordinates: float) -> tuple[float, ...]:
        """Position at the centre, but for the axes given."""
        return tuple(coordinates.get(n, c) for n, c in zip(self.names, self.centre, strict=True))


SCENE_AXES = ("yx", "zyx", "tyx", "tzyx", "yxc", "zyxc", "tyxc", "tzyxc")


def make_scene(axes: str) -> Scene:
    names = axes.removesuffix("c")
    sizes = {"t": 3, "z": 9, "y": 24, "x": 28}
    centre = {"t": 1.0, "z": 4.0, "y": 11.0, "x": 14.0}
    radii = {"z": 3.6, "y": 6.0, "x": 8.0}
    space = names.removeprefix("t")
    truth = ellipsoid(
        [sizes[n] for n in space], [centre[n] for n in space], [radii[n] for n in space]
    )
    if "t" in names:
        truth = np.repeat(truth[None], sizes["t"], 0)
    data = bright(truth)
    if "c" in axes:
        data = np.repeat(data[..., None], 3, -1)
    return Scene(axes, data, truth, tuple(centre[n] for n in names))
