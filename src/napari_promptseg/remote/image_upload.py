"""Upload of an image to a server, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.remote.protocol import CHUNK, ImageOffer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg.data.volume import Volume


def offer_of(volume: Volume) -> ImageOffer:
    """Return the description of an image that a server needs before its parts."""
    window = volume.intensity_window
    assert volume.spacing is not None
    return ImageOffer(
        key=volume.fingerprint(),
        shape=tuple(int(n) for n in volume.data.shape),
        dtype=np.dtype(volume.data.dtype).newbyteorder("<").str,
        axes=volume.axes,
        spacing=tuple(volume.spacing),
        units=volume.units,
        window=(window.low, window.high) if isinstance(window, Window) else None,
        channels=None if volume.channels is None else tuple(volume.channels),
    )


def missing_parts(
    volume: Volume, offer: ImageOffer, missing: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Read the missing parts of an image, one entry of the first axis at a time."""
    row = offer.bytes // offer.shape[0]
    row_of: tuple[int, bytes] = (-1, b"")
    for part in missing:
        start, stop = part * CHUNK, min((part + 1) * CHUNK, offer.bytes)
        raw = b""
        for index in range(start // row, -(-stop // row)):
            if row_of[0] != index:
                row_of = index, np.asarray(volume.data[index]).astype(offer.dtype).tobytes()
            raw += row_of[1][max(start - index * row, 0) : stop - index * row]
        yield part, raw
