"""Arrays of a session on disk, in the format of `numpy.save`, and the image that it refers to."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.volume import ArrayLike, Volume, is_url

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.session.persistence.containers import Container
    from napari_promptseg.session.persistence.header import Header

IMAGE: Final = "image.npy"
"""Name of the part that holds an image without a file of its own."""
LABELS: Final = "labels.npy"
"""Name of the part that holds the labels that a session began with."""
_PART: Final = 64 * 2**20
"""Bytes of a lazy array that are read at a time."""
_EMBED_LIMIT: Final = 4 * 2**30
"""Largest image, in bytes, that is stored with a session."""

Arrays = dict[str, ArrayLike | None]
"""Arrays by the name of their part; None is left out."""


def read_array(container: Container, name: str) -> NDArray[Any] | None:
    """Read one of the arrays, None if it is not there.

    Raises
    ------
    CorruptFileError
        If its bytes are no array of numbers.
    """
    if name not in container.names():
        return None
    with container.open(name) as file:
        try:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, TypeError, EOFError, OverflowError) as error:
            raise CorruptFileError(f"{name!r} is no array: {error}") from error
    return array


def read_volume(container: Container, header: Header, volume: Any = None) -> Volume:
    """Return the image of a session: the given one, the embedded one, or its source.

    Raises
    ------
    FileNotFoundError
        If the image is neither given nor embedded, and its source is gone.
    ValueError
        If it is another image than that of the session.
    """
    if volume is None:
        volume = read_array(container, IMAGE)
    if volume is None:
        from napari_promptseg.io.read import open_volume

        if header.source is None or not (is_url(header.source) or Path(header.source).exists()):
            raise FileNotFoundError(
                f"the image {header.source!r} of the session is not there; pass volume="
            )
        volume = open_volume(header.source)
    if isinstance(volume, Volume):
        return header.volume(volume.data, volume.levels)
    return header.volume(volume)


def embedded_image(volume: Volume) -> ArrayLike | None:
    """Return the pixels that must travel with the session; None if its source can be reopened.

    Raises
    ------
    ValueError
        If the image has no file of its own and is too large to be stored twice.
    """
    source = volume.source
    if source is not None and (is_url(source) or Path(source).exists()):
        return None
    dtype = np.dtype(volume.data.dtype)
    size = int(np.prod(volume.data.shape, dtype=np.int64)) * dtype.itemsize
    if size > _EMBED_LIMIT:
        raise ValueError(
            f"the image has {size} bytes and no file: write it to a file and open that, "
            "so that the session can refer to it"
        )
    return volume.data


def write_array(file: IO[bytes], array: ArrayLike) -> None:
    """Write an array in the format of `numpy.save`, a lazy one part by part."""
    dtype, shape = np.dtype(array.dtype), tuple(int(n) for n in array.shape)
    np.lib.format.write_array_header_2_0(
        file,
        {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        },
    )
    step = max(1, _PART * shape[0] // max(int(np.prod(shape)) * dtype.itemsize, 1))
    for start in range(0, shape[0], step):
        file.write(np.asarray(array[start : start + step], dtype).tobytes())
