"""Sizes and time spans of committed objects, for the object table."""

from __future__ import annotations

import math
from functools import partial
from itertools import compress
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from napari_promptseg.data.geometry import box_slices, boxes_meet_any
from napari_promptseg.measure.measure import pixel_size, size_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.session_controller import SessionController
    from napari_promptseg.data.geometry import Bounds
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.state import StoredObject

_SECONDS: Final = 0.05
"""Time for one answer: a click must not wait for the sizes of a thousand objects."""


class ObjectSizes(NamedTuple):
    """Size of an object as text, with a tooltip and its time points.

    Parameters
    ----------
    text : str
        In a few characters: its size, or in a series its first and last time point.
    tip : str
        In a sentence.
    times : tuple of int
        Time points in which it is, ascending; empty without time.
    pixels : int
        Number of its pixels, in all time points.
    size : float
        Its area or volume in units of the image, on average over its time points.
    intensity : (float, float, float)
        Mean, smallest and largest value of the image in it; NaN where that takes long.
    centres : tuple of tuple of float
        Its centroid at each of them, in pixels.
    """

    text: str
    tip: str
    times: tuple[int, ...] = ()
    pixels: int = 0
    size: float = math.nan
    intensity: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    centres: tuple[tuple[float, ...], ...] = ()


def object_sizes(session: AnySession, objects: Sequence[StoredObject]) -> dict[int, ObjectSizes]:
    """Return the sizes of objects by label, on the worker; of some, if there are many."""
    sizes: dict[int, ObjectSizes] = {}
    start = perf_counter()
    for item in objects:
        if item is session.objects.get(item.label):
            sizes[item.label] = _object_sizes(session, item)
        if perf_counter() - start > _SECONDS:
            break
    return sizes


def _object_sizes(session: AnySession, item: StoredObject) -> ObjectSizes:
    volume = session.volume
    mask = session.labels[box_slices(item.box)] == item.label
    count = int(np.count_nonzero(mask))
    pixel = pixel_size(volume)
    intensity = _intensity(volume, item.box, mask)
    if "t" not in volume.names:
        text = size_text(volume, count)
        unit = "voxels" if "z" in volume.names else "pixels"
        tip = text if unit in text else f"{text}, {count:,} {unit}"
        return ObjectSizes(text, tip, (), count, count * pixel, intensity)
    present = np.flatnonzero(mask.any(axis=tuple(range(1, mask.ndim)))) + item.box[0][0]
    times = tuple(int(t) for t in present)
    first, last = times[0], times[-1]
    tip = f"In {len(times)} of the time points {first} to {last}"
    tip += f", on average {size_text(volume, round(count / len(times)))}"
    if item.parent is not None:
        tip += f"; comes from object {item.parent}"
    span = f"{first}–{last}" if last > first else str(first)
    corner = [start for start, _ in item.box[1:]]
    centres = tuple(
        tuple((np.argwhere(mask[t - item.box[0][0]]).mean(0) + corner).tolist()) for t in times
    )
    return ObjectSizes(span, tip, times, count, count * pixel / len(times), intensity, centres)


def _intensity(volume: Volume, box: Bounds, mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return mean, smallest and largest value in a mask, of images in memory without channels."""
    if "c" in volume.axes or not isinstance(volume.data, np.ndarray) or not mask.any():
        return math.nan, math.nan, math.nan
    values = volume.data[box_slices(box)][mask]
    return float(values.mean()), float(values.min()), float(values.max())


class ObjectSizesPresenter:
    """Presents the sizes of committed objects, measured while the worker is idle.

    Parameters
    ----------
    controller : SessionController
        What is asked.
    show : callable
        Gets the sizes by label, whenever there are new ones.
    """

    def __init__(
        self, controller: SessionController, show: Callable[[Mapping[int, ObjectSizes]], None]
    ) -> None:
        self._controller, self._show = controller, show
        self._measured: dict[int, tuple[StoredObject, ObjectSizes]] = {}
        controller.events.labels.connect(self._changed)
        controller.events.settled.connect(self.refresh)
        controller.events.replaced.connect(self._replaced)
        self.refresh()

    def release(self) -> None:
        """Disconnect from the controller."""
        self._controller.events.labels.disconnect(self._changed)
        self._controller.events.settled.disconnect(self.refresh)
        self._controller.events.replaced.disconnect(self._replaced)

    def refresh(self) -> None:
        """Measure what is not known."""
        objects = {item.label: item for item in self._controller.snapshot.objects}
        before = len(self._measured)
        self._measured = {
            label: entry
            for label, entry in self._measured.items()
            if entry[0] is objects.get(label)
        }
        unmeasured = [item for label, item in objects.items() if label not in self._measured]
        if unmeasured:
            work = partial(object_sizes, objects=unmeasured)
            self._controller.ask("figures", work, partial(self._take, objects))
        elif len(self._measured) < before:  # some were deleted
            self._take(objects, {})

    def _take(self, objects: Mapping[int, StoredObject], sizes: Mapping[int, ObjectSizes]) -> None:
        self._measured |= {label: (objects[label], value) for label, value in sizes.items()}
        self._show({label: value for label, (_, value) in self._measured.items()})
        if sizes:
            self.refresh()

    def _changed(self, boxes: Sequence[Bounds]) -> None:
        """Forget the objects that may have other pixels now."""
        labels = list(self._measured)
        meet = boxes_meet_any([self._measured[label][0].box for label in labels], boxes)
        for label in compress(labels, meet):
            del self._measured[label]

    def _replaced(self) -> None:
        self._measured.clear()
        self.refresh()
