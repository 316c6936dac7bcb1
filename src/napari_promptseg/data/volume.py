"""The `Volume` class: an image, volume, video or series with its geometry, read by planes."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Crop, Plane, check_axes, check_spacing, guess_axes
from napari_promptseg.data.intensity_window import CT_WINDOWS, Window
from napari_promptseg.data.resize import resize

if TYPE_CHECKING:
    from napari_promptseg.data._typing import Float32

LARGE: Final = 2**26
"""Pixels of a plane from which on only a part of it is read at a time."""
_SAMPLE: Final = (
    1024  # pixels along a side of the squares that the window of a large plane is estimated from
)
_AIR, _MIN_METAL = -900, 4096  # Hounsfield range that tells CT from other modalities


SPACING: Final = "spacing"
ORIENTATION: Final = "orientation"
POSITION: Final = "position"
FACTS: Final = (SPACING, ORIENTATION, POSITION)
"""Facts of geometry that a file or a caller may state; others are defaults."""


def is_url(source: str | Path) -> bool:
    """Tell whether a source is the URL of something remote, and no path."""
    return "://" in str(source)


@runtime_checkable
class ArrayLike(Protocol):
    """Common interface of numpy, dask and zarr arrays."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def __getitem__(self, index: Any) -> Any:
        """Read a part."""


@dataclass(frozen=True, slots=True)
class PlaneImage:
    """One plane of raw values, normalised on demand for a model.

    Parameters
    ----------
    values : (H, W) or (H, W, C) array
        Raw values, C <= 3.
    window : Window
        Maps raw values to [0, 1].
    spacing : (float, float)
        Size of a pixel along rows and columns, in the units of the volume.
    origin : (Volume, Plane), optional
        Where it comes from, for models that look at the planes around it; None for parts of
        planes.
    is_section : bool
        Whether it is a plane of a volume, in which structures are often few voxels wide, or a
        part of one.
    """

    values: NDArray[Any]
    window: Window
    spacing: tuple[float, float] = (1.0, 1.0)
    origin: tuple[Volume, Plane] | None = field(default=None, repr=False, compare=False)
    is_section: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.values.shape[:2]
        return rows, columns

    def crop(self, rows: tuple[int, int], columns: tuple[int, int]) -> PlaneImage:
        """Return the part inside half-open ranges of rows and columns, without a copy."""
        part = self.values[slice(*rows), slice(*columns)]
        return replace(self, values=part, origin=None)

    def rgb(self, shape: tuple[int, int] | None = None) -> Float32:
        """Return the plane as colors, resized if asked.

        Parameters
        ----------
        shape : (int, int), optional
            Rows and columns of the result.

        Returns
        -------
        (H, W, 3) float32 array
            Values in [0, 1]. One channel is repeated; two fill the first two.
        """
        values = self.values
        if shape is not None:
            values = resize(values, shape)
        fractions = self.window.apply(values)
        if fractions.ndim == 2:
            fractions = fractions[..., None]
        if fractions.shape[2] == 2:
            return np.concatenate([fractions, np.zeros_like(fractions[..., :1])], 2)
        return np.repeat(fractions, 3, 2) if fractions.shape[2] == 1 else fractions


@dataclass(frozen=True)
class Volume:
    """An image, volume, video or 3D+t series.

    Parameters
    ----------
    data : array-like
        numpy, dask or zarr array; lazy ones stay lazy.
    axes : str
        One of "yx", "zyx", "tyx", "tzyx", each optionally with a final "c". Guessed
        from the shape when empty.
    spacing : sequence of float, optional
        Size of a pixel along each axis but "c", in `units`; 1 where not given.
    units : str
        Unit of the spacing, for example "mm" or "µm".
    affine : (4, 4) array, optional
        From (x, y, z) pixel indices to world coordinates; made from the spacing when
        not given.
    window : Window or str, optional
        Intensity window, or the name of a CT window; found from the data when None.
    channels : sequence of int, optional
        Up to three channels that are used; the first three when None.
    source : str, optional
        File, folder or URL it was read from; paths are made absolute.
    levels : sequence of array-like
        Downsampled versions of `data` with the same axes, finest first; planes viewed at low
        zoom are read from them.
    provenance : mapping of str to str, optional
        Source, "file" or "caller", of each fact of `FACTS` that somebody stated. Facts that
        are missing have default values, which are neither compared nor written. When not
        given: spacing is stated if it is passed, everything if an affine is passed.
    notes : sequence of str
        What was guessed, not taken, or not understood when the file was opened, a sentence
        each.

    Raises
    ------
    ValueError
        If axes, shape, spacing, channels, window or levels do not fit each other.
    """

    data: ArrayLike
    axes: str = ""
    spacing: Sequence[float] | None = None
    units: str = "pixel"
    affine: NDArray[np.float64] | None = None
    window: Window | str | None = None
    channels: Sequence[int] | None = None
    source: str | None = field(default=None, compare=False)
    levels: Sequence[ArrayLike] = field(default=(), compare=False)
    provenance: Mapping[str, str] | None = field(default=None, compare=False)
    notes: Sequence[str] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.data, ArrayLike):
            raise ValueError(f"data must be an array, got {type(self.data).__name__}")
        axes = check_axes(self.axes or guess_axes(self.data.shape))
        if len(axes) != len(self.data.shape):
            raise ValueError(f"axes {axes!r} do not fit an array of shape {self.data.shape}")
        if 0 in self.data.shape:
            raise ValueError(f"array of shape {self.data.shape} has an axis without pixels")
        dtype = np.dtype(self.data.dtype)
        if dtype.kind not in "buif":
            raise ValueError(f"pixels must be numbers, got dtype {dtype}")
        assign = object.__setattr__
        assign(self, "axes", axes)
        if self.source is not None and not is_url(self.source):
            assign(self, "source", str(Path(self.source).absolute()))
        assign(self, "levels", self._checked_levels())
        assign(self, "provenance", self._checked_provenance())
        assign(self, "notes", tuple(self.notes))
        assign(self, "spacing", check_spacing(self.spacing, axes))
        assign(self, "affine", self._checked_affine())
        assign(self, "channels", self._checked_channels())
        if isinstance(self.window, str):
            if self.window not in CT_WINDOWS:
                raise ValueError(f"unknown window {self.window!r}; valid: {list(CT_WINDOWS)}")
            assign(self, "window", CT_WINDOWS[self.window])

    def _checked_provenance(self) -> dict[str, str]:
        if self.provenance is None:
            facts = FACTS if self.affine is not None else (SPACING,) * (self.spacing is not None)
            return dict.fromkeys(facts, "caller")
        if unknown := set(self.provenance) - set(FACTS):
            raise ValueError(f"unknown facts {sorted(unknown)}; valid: {list(FACTS)}")
        return dict(self.provenance)

    def _checked_affine(self) -> NDArray[np.float64]:
        if self.affine is not None:
            affine = np.asarray(self.affine, dtype=np.float64)
            if affine.shape != (4, 4) or not np.isfinite(affine).all():
                raise ValueError(f"affine must be 4x4 and finite, got {affine!r}")
            return affine
        by_axis = dict(zip(self.names, self.spacing or (), strict=True))
        return np.diag([*(by_axis.get(name, 1.0) for name in "xyz"), 1.0])

    def _checked_channels(self) -> tuple[int, ...] | None:
        if "c" not in self.axes:
            if self.channels is not None:
                raise ValueError(f"channels {self.channels} given, but axes {self.axes!r}")
            return None
        count = self.data.shape[-1]
        channel_indices = range(min(count, 3)) if self.channels is None else self.channels
        channels = tuple(operator.index(c) for c in channel_indices)
        if not 1 <= len(channels) <= 3 or any(not 0 <= c < count for c in channels):
            raise ValueError(f"channels {channels} must be one to three of 0 to {count - 1}")
        return channels

    def _checked_levels(self) -> tuple[ArrayLike, ...]:
        for level in self.levels:
            shape = tuple(level.shape)
            if len(shape) != len(self.axes) or any(
                not 0 < n <= full for n, full in zip(shape, self.data.shape, strict=True)
            ):
                raise ValueError(
                    f"a level of shape {shape} is no smaller version of {self.data.shape}"
                )
        return tuple(self.levels)

    @property
    def names(self) -> str:
        """Axes without channel."""
        return self.axes.removesuffix("c")

    def states(self, *facts: str) -> bool:
        """Return whether a file or a caller stated all of some facts of geometry."""
        assert self.provenance is not None
        return all(fact in self.provenance for fact in facts)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along the axes, without channel."""
        return tuple(self.data.shape[: len(self.names)])

    def axis_spacing(self, axis: int) -> float:
        """Spacing along an axis given by its position."""
        assert self.spacing is not None
        return float(self.spacing[axis])

    def is_large(self, plane: Plane) -> bool:
        """Return True if a plane is too large to be read as a whole."""
        rows, columns = plane.shape_in(self.shape)
        return rows * columns > LARGE

    def check_whole(self, plane: Plane, what: str) -> None:
        """Raise if a plane is too large for an operation that needs all of it.

        Raises
        ------
        ValueError
            If the plane is too large for it.
        """
        if self.is_large(plane):
            size = plane.shape_in(self.shape)
            raise ValueError(f"{what} works on planes of up to {LARGE} pixels, this one has {size}")

    def read(self, plane: Plane, crop: Crop | None = None) -> NDArray[Any]:
        """Read the raw values of a plane, or of a part of it.

        Parameters
        ----------
        plane : Plane
            The plane.
        crop : Crop, optional
            Part of the plane, which begins at multiples of its step; the whole plane when not
            given.

        Returns
        -------
        (H, W) or (H, W, C) array
            The chosen channels, C <= 3. At the far ends of the plane, a smaller version may
            have a pixel less than the crop.

        Raises
        ------
        OSError
            If a lazy array cannot be read there.
        """
        try:
            if crop is None:
                values = np.asarray(self.data[plane.slices])
            else:
                values = self._read_part(plane, crop)
        # Each kind of lazy array raises its own errors for damaged chunks.
        except Exception as error:
            at = ", ".join(
                f"{name} = {i}"
                for name, i in zip(self.names, plane.index, strict=True)
                if i is not None
            )
            where = f"{self.source or 'the image'}{f' at {at}' if at else ''}"
            raise OSError(f"cannot read {where}: {error}") from error
        if self.channels is not None and self.channels != tuple(range(values.shape[-1])):
            values = values[..., list(self.channels)]
        return values

    def _read_part(self, plane: Plane, crop: Crop) -> NDArray[Any]:
        """Read from the coarsest level with at least the resolution of the crop."""
        source, factors = self.data, (1,) * len(self.shape)
        for level in self.levels:
            step_by_axis = tuple(
                max(round(n / m), 1) for n, m in zip(self.shape, level.shape, strict=False)
            )
            if all(crop.step % step_by_axis[axis] == 0 for axis in plane.in_plane):
                source, factors = level, step_by_axis
        index = [0 if i is None else i // f for i, f in zip(plane.index, factors, strict=True)]
        ranges = []
        for axis, (start, stop) in zip(plane.in_plane, (crop.rows, crop.columns), strict=True):
            factor = factors[axis]
            ranges.append(slice(start // factor, -(-stop // factor), crop.step // factor))
        section = Plane(
            tuple(
                None if i is None else min(at, int(source.shape[axis]) - 1)
                for axis, (i, at) in enumerate(zip(plane.index, index, strict=True))
            )
        )
        return np.asarray(source[section.part(*ranges)])

    def fingerprint(self) -> str:
        """Return a hash of shape, type and some pixels, which identifies the image.

        At most a plane is read, or three squares of a large one.

        Raises
        ------
        OSError
            If a lazy array cannot be read there.
        """
        middle = Plane((*(n // 2 for n in self.shape[:-2]), None, None))
        state = blake2b(repr((self.data.shape, np.dtype(self.data.dtype).str)).encode())
        for crop in self._sampled(middle):
            state.update(np.ascontiguousarray(self.read(middle, crop)).tobytes())
        return state.hexdigest()[:32]

    def plane(self, plane: Plane, crop: Crop | None = None) -> PlaneImage:
        """Read one plane, or a part of it, normalised on demand."""
        step = 1 if crop is None else crop.step
        rows, columns = (self.axis_spacing(axis) * step for axis in plane.in_plane)
        origin = (self, plane) if crop is None else None
        return PlaneImage(
            self.read(plane, crop),
            self.intensity_window,
            (rows, columns),
            origin,
            is_section="z" in self.names,
        )

    @cached_property
    def intensity_window(self) -> Window:
        """The window in use: the one passed, or one estimated from three planes.

        Integers of 8 bits keep their range, values that look like Hounsfield units get
        the abdomen window, all others the 0.5th to 99.5th percentile.
        """
        if isinstance(self.window, Window):
            return self.window
        dtype = np.dtype(self.data.dtype)
        if dtype == np.uint8:
            return Window(0, 255)
        if dtype == np.bool_:
            return Window(0, 1)
        sample = self._sample()
        if dtype.kind in "if" and sample.min(initial=0) <= _AIR and sample.max() < _MIN_METAL:
            return CT_WINDOWS["ct-abdomen"]
        return Window.from_percentiles(sample)

    def _sample(self) -> NDArray[Any]:
        """Read a few planes normal to the first axis, thinned to some ten thousand pixels."""
        leading = self.shape[:-2]
        indices = {tuple(int(n * part) for n in leading) for part in (0.25, 0.5, 0.75)}
        sections = [Plane((*index, None, None)) for index in sorted(indices)]
        planes = [self.read(plane, crop) for plane in sections for crop in self._sampled(plane)]
        step = max(1, max(planes[0].shape[:2]) // 128)
        values = np.concatenate([p[::step, ::step].ravel() for p in planes])
        return values[np.isfinite(values)] if values.dtype.kind == "f" else values

    def _sampled(self, plane: Plane) -> list[Crop | None]:
        """Return the sampled parts of a plane: all of it, or squares on the diagonal."""
        if not self.is_large(plane):
            return [None]
        corners = [[int((n - _SAMPLE) * at) for n in self.shape[-2:]] for at in (0.3, 0.5, 0.7)]
        return [Crop((row, row + _SAMPLE), (column, column + _SAMPLE)) for row, column in corners]
