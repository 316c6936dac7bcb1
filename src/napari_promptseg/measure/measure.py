"""Size, position and intensity of objects, in physical units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Bounds, box_slices, mask_box
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.units import unit_name
from napari_promptseg.measure.surface import mask_surface

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

MILLILITRES: Final = {"mm": 1e-3, "cm": 1.0}
"""Millilitres of a cube with an edge of one unit, of units that are used for organs."""
_MIN_MILLILITRES: Final = 0.1
"""Smaller volumes are shown in cubic units."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurements of an object at one time point.

    Parameters
    ----------
    label : int or None
        Id in the labels; None for the active object, which has none yet.
    name : str
        Name of the object.
    t : int or None
        Time point; None in an image or volume without time.
    voxels : int
        Number of voxels or pixels.
    volume : float or None
        Voxels times the volume of one, in cubic units; None in 2D.
    surface_area : float or None
        Area of the surface by marching cubes, in square units; None in 2D. As in
        radiomics (IBSI), the staircase of the voxels counts: a smooth ball has up to a tenth
        more than a sphere, with thick slices a quarter. `Surface.smoothed` reduces it.
    area : float or None
        Pixels times the area of one, in square units; None in 3D.
    perimeter : float or None
        Length of the outlines by marching squares, those of holes included; None in 3D.
    box : Bounds
        Half-open range of pixels on each spatial axis.
    centroid : tuple of float
        Mean index on each spatial axis times spacing, in units; array order.
    units : str
        Unit of length, for example "mm" or "µm"; "pixel" where it is unknown.
    """

    label: int | None
    name: str
    t: int | None
    voxels: int
    volume: float | None
    surface_area: float | None
    area: float | None
    perimeter: float | None
    box: Bounds
    centroid: tuple[float, ...]
    units: str

    @property
    def volume_ml(self) -> float | None:
        """Volume in millilitres; None in 2D, and where the unit is neither mm nor cm."""
        factor = MILLILITRES.get(self.units)
        return None if factor is None or self.volume is None else self.volume * factor


def measure_mask(
    mask: NDArray[np.bool_],
    volume: Volume,
    corner: Sequence[int],
    *,
    label: int | None = None,
    name: str = "",
    t: int | None = None,
) -> Measurement:
    """Measure an object.

    Parameters
    ----------
    mask : bool array
        The object at one time point, or the part of the space that holds it: (Y, X) or
        (Z, Y, X).
    volume : Volume
        The image; its spacing is used, and its affine where the axes are not at right
        angles to each other.
    corner : sequence of int
        First pixel of that part.
    label, name, t
        See `Measurement`.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    inner = mask_box(mask)
    if inner is None:
        raise ValueError("nothing to measure: the mask is empty")
    mask = mask[box_slices(inner)]
    first = [c + start for c, (start, _) in zip(corner, inner, strict=True)]
    count = int(np.count_nonzero(mask))
    size = count * pixel_size(volume)
    solid = mask.ndim == 3
    spacing = [
        volume.axis_spacing(len(volume.names) - mask.ndim + axis) for axis in range(len(first))
    ]
    means = [
        float(np.average(np.arange(n), weights=_profile(mask, a))) for a, n in enumerate(mask.shape)
    ]
    return Measurement(
        label=label,
        name=name,
        t=t,
        voxels=count,
        volume=size if solid else None,
        surface_area=_surface_area(mask, volume) if solid else None,
        area=None if solid else size,
        perimeter=None if solid else _perimeter(mask, volume),
        box=tuple((f, f + n) for f, n in zip(first, mask.shape, strict=True)),
        centroid=tuple((f + m) * s for f, m, s in zip(first, means, spacing, strict=True)),
        units=unit_name(volume.units),
    )


@dataclass(frozen=True, slots=True)
class Intensity:
    """Statistics of an image inside an object, in one channel; NaN and infinities are ignored.

    Parameters
    ----------
    channel : int
        Channel number; 0 where there is no channel axis.
    mean, deviation, lowest, highest : float
        In the units of the image, for example HU; NaN where no value is finite.
    """

    channel: int
    mean: float
    deviation: float
    lowest: float
    highest: float


def measure_intensities(
    mask: NDArray[np.bool_], volume: Volume, box: Bounds
) -> tuple[Intensity, ...]:
    """Measure the image inside an object, in every channel.

    Parameters
    ----------
    mask : bool array
        The object in the box.
    volume : Volume
        The image; of a lazy one, only the box is read.
    box : Bounds
        Half-open range on each axis but ``c``.
    """
    values = np.asarray(volume.data[box_slices(box)])[mask]
    channels = values.reshape(len(values), -1).T.astype(np.float64)
    intensities = []
    for channel, row in enumerate(channels):
        row = row[np.isfinite(row)]
        figures = (row.mean(), row.std(), row.min(), row.max()) if row.size else (np.nan,) * 4
        intensities.append(Intensity(channel, *map(float, figures)))
    return tuple(intensities)


def measure_labels(
    labels: NDArray[Any], volume: Volume, names: Mapping[int, str] | None = None
) -> Iterator[Measurement]:
    """Measure all objects, in the order of labels; in a series at each time point of each.

    Parameters
    ----------
    labels : integer array
        Of the shape of the volume without channel.
    volume : Volume
        The image.
    names : mapping of int to str, optional
        Names of the objects.
    """
    for label, box in label_boxes(labels).items():
        mask = labels[box_slices(box)] == label
        yield from measure_object(mask, volume, box, label, (names or {}).get(label, ""))


def measure_object(
    mask: NDArray[np.bool_], volume: Volume, box: Bounds, label: int | None, name: str
) -> Iterator[Measurement]:
    """Measure the mask in a box; in a series, at each time point where it is not empty."""
    if "t" not in volume.names:
        yield measure_mask(mask, volume, [start for start, _ in box], label=label, name=name)
        return
    corner = [start for start, _ in box[1:]]
    for t, frame in enumerate(mask, start=box[0][0]):
        if frame.any():
            yield measure_mask(frame, volume, corner, label=label, name=name, t=t)


def pixel_size(volume: Volume) -> float:
    """Return the volume of a voxel, or the area of a pixel of a plane without z, in units."""
    solid = "z" in volume.names
    directions = _directions(volume)[:, : 3 if solid else 2]
    shear = float(np.sqrt(np.linalg.det(directions.T @ directions)))
    first = len(volume.names) - (3 if solid else 2)
    return shear * float(np.prod([volume.axis_spacing(first + a) for a in range(2 + solid)]))


def size_text(volume: Volume, count: int) -> str:
    """Format the size of a number of pixels for display, such as "12.3 ml"."""
    units, power = unit_name(volume.units), "³" if "z" in volume.names else "²"
    if units == "pixel":
        return f"{count:,} {'voxels' if power == '³' else 'pixels'}"
    size = count * pixel_size(volume)
    millilitres = size * MILLILITRES.get(units, 0.0)
    if power == "³" and millilitres >= _MIN_MILLILITRES:
        return f"{_digits(millilitres)} ml"
    return f"{_digits(size)} {units}{power}"


def area_text(area: float, units: str) -> str:
    """Format the area of a surface for display, such as "58.2 cm²"."""
    if units == "mm" and area >= 100:
        area, units = area / 100, "cm"
    return f"{_digits(area)} {units}²"


def _digits(value: float) -> str:
    """Format a number with three digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _profile(mask: NDArray[np.bool_], axis: int) -> NDArray[np.int64]:
    """Count the pixels of each plane normal to an axis."""
    others = tuple(a for a in range(mask.ndim) if a != axis)
    counts: NDArray[np.int64] = np.count_nonzero(mask, axis=others)
    return counts


def _directions(volume: Volume) -> NDArray[np.float64]:
    """Return unit vectors along x, y and z as columns.

    They come from the affine, so that the shear of a tilted gantry does not count as a
    larger voxel.
    """
    assert volume.affine is not None
    steps = volume.affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if abs(np.linalg.det(steps)) <= 1e-6 * np.prod(lengths):
        return np.eye(3)
    directions: NDArray[np.float64] = steps / lengths
    return directions


def _frame(volume: Volume) -> NDArray[np.float64]:
    """Return the (4, 4) matrix from (x, y, z) voxels to units, in the axes of the world."""
    sizes = {name: volume.axis_spacing(axis) for axis, name in enumerate(volume.names)}
    frame = np.eye(4)
    frame[:3, :3] = _directions(volume) * [sizes.get(name, 1.0) for name in "xyz"]
    return frame


def _surface_area(mask: NDArray[np.bool_], volume: Volume) -> float:
    return float(mask_surface(mask).mesh(_frame(volume)).area)


def _perimeter(mask: NDArray[np.bool_], volume: Volume) -> float:
    from skimage.measure import find_contours

    frame = _frame(volume)[:3, :2]
    outlines = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    steps = np.concatenate([np.diff(outline, axis=0) for outline in outlines])
    return float(np.linalg.norm(steps[:, ::-1] @ frame.T, axis=1).sum())
