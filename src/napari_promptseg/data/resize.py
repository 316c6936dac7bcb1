"""Resizing of planes and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
_NATIVE = (np.uint8, np.uint16, np.int16, np.float32, np.float64)


def resize(values: NDArray[T], shape: tuple[int, int]) -> NDArray[T]:
    """Resize the first two axes: averaged where that shrinks, else linearly interpolated.

    Parameters
    ----------
    values : (H, W) or (H, W, C) array
        Types that OpenCV does not support are converted to floats that hold all their values.
    shape : (int, int)
        Rows and columns of the result.

    Returns
    -------
    array of the same type, except that bool is thresholded at a half
    """
    if values.shape[:2] == shape:
        return values
    dtype = values.dtype
    source: NDArray[Any] = np.ascontiguousarray(values)
    if dtype not in _NATIVE:
        source = source.astype(np.float32 if dtype.itemsize <= 2 else np.float64)
    shrinks = shape[0] * shape[1] < values.shape[0] * values.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    result: NDArray[Any] = np.asarray(cv2.resize(source, shape[::-1], interpolation=mode))
    if dtype == np.bool_:
        return np.asarray(result > 0.5, dtype=dtype)
    if dtype.kind in "ui" and result.dtype.kind == "f":
        result = np.rint(result)
    return result.astype(dtype, copy=False)
