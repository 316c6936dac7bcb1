"""Colors of objects in the labels layer: own, of a class, usual; hidden and selected objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_promptseg.session.state import Classes, StoredObject

_MIN_COLORS: Final = 1024
"""Ids up to here have colors of their own even if there are fewer objects."""
_NAME: Final = "objects"
"""Of the colormap."""
_BESIDE_SELECTION: Final = 0.45
"""Opacity of other objects while some are selected."""


class LabelColors:
    """Colormap of a labels layer, made anew when something that it depends on changes."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._usual: Any = None

    def show(
        self,
        layer: Labels,
        objects: Sequence[StoredObject],
        classes: Classes,
        selected: Collection[int] = (),
    ) -> None:
        """Color the objects of a layer.

        Parameters
        ----------
        layer : Labels
            The layer of committed objects.
        objects : sequence of StoredObject
            Committed objects.
        classes : mapping of str to (int, int, int)
            Colors of the classes.
        selected : collection of int
            Objects that stand out.
        """
        from napari.utils.colormaps import CyclicLabelColormap, label_colormap

        labels = {item.label for item in objects}
        key = (
            layer.unique_id,
            frozenset(labels.intersection(selected)),
            tuple(
                (item.label, color, item.hidden)
                for item in objects
                if (color := item.color or classes.get(item.class_name)) or item.hidden
            ),
        )
        if key == self._shown:
            return
        if self._shown is None or self._shown[0] != layer.unique_id:
            # A dock that is opened again finds the colors of the former one.
            own = layer.colormap.name == _NAME
            self._usual = label_colormap() if own else layer.colormap
        usual, plain = self._usual, not key[1] and not key[2]
        if not plain:
            colors = _colors(usual, max(labels), *key[1:])
            layer.colormap = CyclicLabelColormap(colors=colors, name=_NAME)
        elif layer.colormap.name == _NAME:
            layer.colormap = usual
        self._shown = key


def _colors(
    usual: Any,
    largest: int,
    selected: frozenset[int],
    special: tuple[tuple[int, tuple[int, int, int] | None, bool], ...],
) -> NDArray[np.float32]:
    """Return one RGBA color an id, which a cyclic colormap of so many colors maps exactly."""
    count = max(_MIN_COLORS, 1 << largest.bit_length())
    colors = np.array(usual.map(np.arange(count, dtype=np.uint32)), np.float32)
    for label, color, _ in special:
        if color is not None:
            colors[label, :3] = np.array(color, np.float32) / 255
    if selected:
        others = np.ones(count, np.bool_)
        others[[0, *selected]] = False
        colors[others, 3] = _BESIDE_SELECTION
    colors[[label for label, _, is_hidden in special if is_hidden], 3] = 0
    return colors
