"""Pixels of TIFF files as they are to be seen: upright, bright where they are white."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_TURNS: Final = {2: "x", 3: "yx", 4: "y", 5: "", 6: "x", 7: "yx", 8: "y"}
"""Axes that the orientation of a file flips, after rows and columns are swapped."""
_SWAPPING: Final = (5, 6, 7, 8)  # orientations that swap rows and columns
_WHITE_IS_ZERO, _PALETTE = 0, 3  # photometric interpretations
_OPACITY: Final = (1, 2)  # kinds of extra samples


def as_shown(
    versions: Sequence[Any], names: str, keyframe: Any, sizes: Mapping[str, float]
) -> tuple[list[Any], dict[str, float], tuple[str, ...]]:
    """Return an image and its smaller versions as a viewer shows them.

    Orientation is applied, values whose zero is white are inverted, and the opacity beside a
    single grey is left out. Large images are not read for it: a note says what was not done.

    Parameters
    ----------
    versions : sequence of array-like
        With axes `names`, the largest first.
    names : str
        Names of the axes.
    keyframe : tifffile.TiffPage
        First page of the image.
    sizes : mapping of str to float
        Spacing by axis.

    Returns
    -------
    (list of array-like, dict of str to float, tuple of str)
        The versions, without their last axis if it was left out, the spacing by axis, and notes.
    """
    images, steps = list(versions), dict(sizes)
    in_memory = all(isinstance(image, np.ndarray) for image in images)
    notes: tuple[str, ...] = ()
    orientation = int(getattr(keyframe.tags.get("Orientation"), "value", 1))
    if orientation in _TURNS and {"y", "x"} <= set(names):
        if in_memory:
            images = [_turned(image, names, orientation) for image in images]
            if orientation in _SWAPPING:
                steps |= {a: steps[b] for a, b in ("xy", "yx") if b in steps}
        else:
            notes += (f"the image is stored with orientation {orientation}, and opened as stored",)
    if int(keyframe.photometric) == _WHITE_IS_ZERO:
        if in_memory and images[0].dtype.kind in "bu":
            images = [_inverted(image) for image in images]
            notes += ("zero is white in the file; values are inverted",)
        else:
            notes += ("zero is white in the file; values are opened as stored",)
    if int(keyframe.photometric) == _PALETTE:
        notes += ("the file has a table of colors; the indices into it are opened",)
    extra = tuple(getattr(keyframe, "extrasamples", ()) or ())
    is_pair = names.endswith("c") and images[0].shape[-1] == 2 and len(extra) == 1
    if in_memory and is_pair and int(extra[0]) in _OPACITY:
        images = [image[..., 0] for image in images]
    return images, steps, notes


def _turned(image: NDArray[Any], names: str, orientation: int) -> NDArray[Any]:
    rows, columns = names.index("y"), names.index("x")
    if orientation in _SWAPPING:
        image = image.swapaxes(rows, columns)
    flips = (axis for axis, name in ((rows, "y"), (columns, "x")) if name in _TURNS[orientation])
    return np.flip(image, tuple(flips))


def _inverted(image: NDArray[Any]) -> NDArray[Any]:
    return ~image  # of unsigned numbers and bits, the distance to the largest
