"""Images on the server: sent part by part, gone on with after an interruption, kept as one file."""

from __future__ import annotations

import json
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.array_codec import unpack_bytes
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.protocol import CHUNK, ImageOffer, ImageState

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.server.quotas import Quotas

_OFFER, _PIXELS, _DONE = "offer.json", "pixels.raw", "parts"
_NUMBERS: Final = "buif"


class Uploads:
    """The images of one user.

    Parameters
    ----------
    folder : Path
        Where they are.
    quotas : Quotas
        How much there may be.
    """

    def __init__(self, folder: Path, quotas: Quotas) -> None:
        self._folder, self._quotas = folder, quotas
        self._lock = threading.Lock()

    def offer(self, image: ImageOffer, used: int) -> ImageState:
        """Make room for an image, or tell what is missing of one that was begun.

        Raises
        ------
        ValueError
            If it is no image, or the user has too little room left.
        """
        place = self._folder / image.key
        with self._lock:
            if (place / _OFFER).exists():
                if self._read(image.key) != image:
                    raise ValueError(f"another image has the key {image.key!r}")
                return self.state(image.key)
            if image.bytes > self._quotas.image_bytes:
                raise ValueError(
                    f"an image may have {self._quotas.image_bytes} bytes, this has {image.bytes}"
                )
            if used + image.bytes > self._quotas.disk_bytes:
                raise ValueError(
                    f"{self._quotas.disk_bytes - used} bytes are left, the image has {image.bytes}"
                )
            _described(image, np.broadcast_to(np.zeros((), image.dtype), image.shape))
            place.mkdir(parents=True)
            with (place / _PIXELS).open("wb") as file:
                file.truncate(image.bytes)
            (place / _DONE).write_bytes(bytes(image.parts))
            (place / _OFFER).write_text(image.model_dump_json(), encoding="utf-8")
        return self.state(image.key)

    def put(self, key: str, part: int, data: bytes) -> None:
        """Take a part of an image, compressed with zlib; again is no harm.

        Raises
        ------
        FileNotFoundError
            If no such image was offered.
        ValueError
            If there is no such part, or it is damaged or of another size.
        """
        image = self._read(key)
        if not 0 <= part < image.parts:
            raise ValueError(f"no part {part}; valid: 0 to {image.parts - 1}")
        size = min(CHUNK, image.bytes - part * CHUNK)
        unpacked = unpack_bytes(data, size)
        place = self._folder / key
        with (place / _PIXELS).open("r+b") as file:
            file.seek(part * CHUNK)
            file.write(unpacked)
            file.flush()
            os.fsync(file.fileno())
        with self._lock, (place / _DONE).open("r+b") as file:
            file.seek(part)
            file.write(b"\1")

    def state(self, key: str) -> ImageState:
        """Return which parts are missing.

        Raises
        ------
        FileNotFoundError
            If no such image was offered.
        """
        self._read(key)
        done = (self._folder / key / _DONE).read_bytes()
        return ImageState(key=key, missing=tuple(n for n, there in enumerate(done) if not there))

    def open(self, key: str) -> Volume:
        """Return an image whose parts are all there; its pixels stay on disk.

        Raises
        ------
        FileNotFoundError
            If no such image was offered.
        ValueError
            If parts are missing.
        """
        image, state = self._read(key), self.state(key)
        if state.missing:
            raise ValueError(f"{len(state.missing)} parts of the image are missing")
        pixels = np.memmap(self._folder / key / _PIXELS, image.dtype, "r", shape=image.shape)
        return _described(image, pixels)

    def discard(self, key: str) -> None:
        """Delete an image.

        Raises
        ------
        FileNotFoundError
            If no such image was offered.
        """
        self._read(key)
        shutil.rmtree(self._folder / key)

    def _read(self, key: str) -> ImageOffer:
        file = self._folder / key / _OFFER
        if not key.isalnum() or not file.exists():
            raise FileNotFoundError(f"no image {key!r}")
        return ImageOffer.model_validate(json.loads(file.read_text(encoding="utf-8")))


def _described(image: ImageOffer, pixels: Any) -> Volume:
    return Volume(
        pixels,
        image.axes,
        image.spacing,
        image.units,
        window=None if image.window is None else Window(*image.window),
        channels=image.channels,
    )
