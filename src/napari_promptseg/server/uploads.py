"""Uploaded images: sent in parts, resumable after an interruption, stored as one file each."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.array_codec import unpack_bytes
from napari_promptseg.data.atomic_file import private_opener
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.private_file import write_private_file
from napari_promptseg.remote.protocol import CHUNK, ImageOffer, ImageState

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.server.quotas import Quotas

_OFFER, _PIXELS, _DONE = "offer.json", "pixels.raw", "parts"
_log = logging.getLogger(__name__)
_KEY: Final = re.compile("[0-9a-f]{32}")


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

    def offer(self, image: ImageOffer, usage: int) -> ImageState:
        """Make room for an image, or tell what is missing of one that was begun.

        Raises
        ------
        ValueError
            If it is no image, or the user has too little room left.
        """
        place = self._folder / _checked(image.key)
        with self._lock:
            if self._has(image.key):
                if self._read(image.key) != image:
                    raise ValueError(f"another image has the key {image.key!r}")
                return self.state(image.key)
            if image.bytes > self._quotas.image_bytes:
                raise ValueError(
                    f"an image may have {self._quotas.image_bytes} bytes, this has {image.bytes}"
                )
            if usage + image.bytes > self._quotas.disk_bytes:
                raise ValueError(
                    f"{self._quotas.disk_bytes - usage} bytes are left, the image has {image.bytes}"
                )
            _described(image, np.broadcast_to(np.zeros((), image.dtype), image.shape))
            keys = [offer.parent.name for offer in self._folder.glob(f"*/{_OFFER}")]
            unfinished = sum(1 for key in keys if self._has(key) and self.state(key).missing)
            if unfinished >= self._quotas.unfinished_images:
                raise ValueError(f"{unfinished} images are not complete: send their parts first")
            shutil.rmtree(place, ignore_errors=True)  # left by a disk that was full
            try:
                self._make_room(place, image)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return self.state(image.key)

    def _has(self, key: str) -> bool:
        """Return whether there is an image; what a disk has damaged is sent again."""
        try:
            image = self._read(key)
            return (self._folder / key / _DONE).stat().st_size == image.parts
        except FileNotFoundError:
            return False
        except ValueError:
            _log.warning("the image %s of a user is damaged", key, exc_info=True)
            return False

    def _make_room(self, place: Path, image: ImageOffer) -> None:
        """Make the files of an image; without the offer, which comes last, there is none."""
        place.mkdir(parents=True, mode=0o700)
        with open(place / _PIXELS, "wb", opener=private_opener) as file:
            file.truncate(image.bytes)
        write_private_file(place / _DONE, bytes(image.parts))
        write_private_file(place / _OFFER, image.model_dump_json().encode())

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
        parts = (self._folder / key / _DONE).read_bytes()
        missing = tuple(number for number, there in enumerate(parts) if not there)
        return ImageState(key=key, missing=missing)

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
        file = self._folder / _checked(key) / _OFFER
        if not file.exists():
            raise FileNotFoundError(f"no image {key!r}")
        return ImageOffer.model_validate(json.loads(file.read_text(encoding="utf-8")))


def _checked(key: str) -> str:
    """Return a key that can be no path.

    Raises
    ------
    FileNotFoundError
        If it is none of an image.
    """
    if not _KEY.fullmatch(key):
        raise FileNotFoundError(f"no image {key[:40]!r}")
    return key


def _described(image: ImageOffer, pixels: Any) -> Volume:
    return Volume(
        pixels,
        image.axes,
        image.spacing,
        image.units,
        window=None if image.window is None else Window(*image.window),
        channels=image.channels,
    )
