"""Mapping between the axes of an image layer and the axes of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.lazy_array import Rearranged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_SPATIAL = {
    (2, False): ("yx",),
    (3, False): ("zyx", "tyx", "cyx", "yxc"),
    (4, False): ("tzyx", "czyx", "zcyx", "ctyx", "tcyx", "zyxc", "tyxc"),
    (5, False): ("tczyx", "ctzyx", "tzcyx", "tzyxc"),
    (2, True): ("yxc",),
    (3, True): ("zyxc", "tyxc"),
    (4, True): ("tzyxc",),
}
_MOST_CHANNELS = 4
"""A leading axis of more entries is not taken for channels unless it is named so."""


def axes_choices(ndim: int, rgb: bool) -> tuple[str, ...]:
    """Return the axes that an image layer can have.

    Parameters
    ----------
    ndim : int
        Dimensions of the layer, without its color axis.
    rgb : bool
        Whether it has a color axis.

    Raises
    ------
    ValueError
        If such images cannot be annotated.
    """
    if (ndim, rgb) not in _SPATIAL:
        raise ValueError(
            f"images of {ndim} dimensions{' and color' if rgb else ''} cannot be annotated; "
            "valid: 2 to 4, and one axis more for channels"
        )
    return _SPATIAL[ndim, rgb]


def guess_layer_axes(
    shape: Sequence[int], rgb: bool, labels: Sequence[str] = (), metadata: Mapping[str, Any] = {}
) -> str:
    """Return the most likely axes of an image layer.

    Parameters
    ----------
    shape : sequence of int
        Of the array of the layer, with its color axis.
    rgb : bool
        Whether the last axis is color.
    labels : sequence of str
        Axis labels of the layer, without color.
    metadata : mapping
        What the reader of this plugin left, if it was the reader.
    """
    choices = axes_choices(len(shape) - rgb, rgb)
    axis_initials = "".join(str(label).lower()[:1] for label in labels) + "c" * rgb
    for candidate in (metadata.get("axes", ""), axis_initials):
        if candidate in choices:
            return str(candidate)
    for choice in choices:
        possible = not rgb and len(choice) > 3 and "c" in choice
        if possible and shape[choice.index("c")] <= _MOST_CHANNELS:
            return choice
    return "yxc" if not rgb and choices[-1] == "yxc" and shape[2] in (3, 4) else choices[0]


def reordered(data: Any, order: Sequence[int]) -> Any:
    """Return an array with its axes in another order, without reading it."""
    return data.transpose(order) if isinstance(data, np.ndarray) else Rearranged(data, order)


@dataclass(frozen=True, slots=True)
class LayerAxes:
    """The axes of an image layer, and of the layers that are made beside it.

    A channel axis that comes first is left out of those; elsewhere it becomes an axis of
    one entry, which `placement` stretches over all channels.

    Parameters
    ----------
    axes : str
        One letter an axis of the array of the layer, such as "czyx".
    rgb : bool
        Whether the last one is color, which napari does not count as a dimension.
    """

    axes: str
    rgb: bool = False

    @property
    def dims(self) -> str:
        """Axes that napari counts as dimensions of the image layer."""
        return self.axes[:-1] if self.rgb else self.axes

    @property
    def names(self) -> str:
        """Axes of the volume without channel."""
        return self.axes.replace("c", "")

    @property
    def volume_axes(self) -> str:
        """Axes of the volume."""
        return self.names + "c" * ("c" in self.axes)

    @property
    def channel(self) -> int | None:
        """Dimension of the image layer that holds channels."""
        return self.dims.index("c") if "c" in self.dims else None

    @property
    def shared_dims(self) -> tuple[int, ...]:
        """Dimensions of the image layer that the layers beside it have too."""
        return tuple(range(self.channel == 0, len(self.dims)))

    @property
    def _stretched(self) -> bool:
        return self.channel is not None and self.channel > 0

    def volume_data(self, data: Any) -> Any:
        """Return the array of the image layer as a volume has it, without reading it."""
        if self.channel is None or self.channel == len(self.dims) - 1:
            return data
        order = [i for i in range(len(self.dims)) if i != self.channel]
        return reordered(data, [*order, self.channel])

    def expand(self, array: Any) -> Any:
        """View an array of the shape of the volume with the dimensions of the layers beside."""
        if not self._stretched:
            return array
        if isinstance(array, np.ndarray):
            return np.expand_dims(array, self.channel or 0)
        order: list[int | None] = [*range(len(array.shape))]
        return Rearranged(array, [*order[: self.channel], None, *order[self.channel :]])

    def expand_plane(self, values: NDArray[Any], index: Sequence[int | None]) -> Any:
        """View the (H, W) values of a plane with the dimensions of the layers beside.

        Parameters
        ----------
        values : (H, W) array
            Of the plane.
        index : sequence of int or None
            Of the plane, one entry an axis of the volume; None along rows and columns.
        """
        fixed_axes = [axis for axis, entry in enumerate(index) if entry is not None]
        return self.expand(np.expand_dims(values, fixed_axes))

    def to_layer(self, position: Sequence[float]) -> tuple[float, ...]:
        """Turn a position in the volume into data coordinates of the layers beside."""
        entries = list(position)
        if self._stretched:
            entries.insert(self.channel or 0, 0.0)
        return tuple(float(e) for e in entries)

    def points_to_layer(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn (N, D) positions in the volume into data coordinates of the layers beside."""
        return np.insert(positions, self.channel or 0, 0, axis=1) if self._stretched else positions

    def to_volume(self, coordinates: Sequence[Any]) -> tuple[Any, ...]:
        """Drop what is not in the volume from entries, one a dimension of the layers beside."""
        skipped = self.channel if self._stretched else None
        return tuple(e for i, e in enumerate(coordinates) if i != skipped)

    def from_image(self, coordinates: Sequence[float]) -> tuple[float, ...]:
        """Turn data coordinates of the image layer into a position in the volume."""
        return tuple(float(e) for i, e in enumerate(coordinates) if i != self.channel)

    def shown_normal(self, displayed: Sequence[int]) -> str | None:
        """Return the axis that a view of two dimensions of the image layer is normal to.

        Parameters
        ----------
        displayed : sequence of int
            The two dimensions in view.

        Returns
        -------
        str or None
            Name of the axis, "" for an image without a third one.

        Raises
        ------
        ValueError
            If the view does not show two spatial axes.
        """
        visible = {self.dims[d] for d in displayed if 0 <= d < len(self.dims)}
        spatial = self.names.removeprefix("t")
        if len(visible) != 2 or not visible <= set(spatial):
            raise ValueError(f"the view must show two of the axes {', '.join(spatial)}")
        rest = [name for name in spatial if name not in visible]
        return rest[0] if rest else None
