"""Images that come in parts: where they lie, who may read them, and which parts are missing."""

from __future__ import annotations

import stat
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_promptseg.data.volume import Volume
from napari_promptseg.remote.image_upload import missing_parts, offer_of
from napari_promptseg.remote.protocol import CHUNK
from napari_promptseg.server.quotas import Quotas
from napari_promptseg.server.uploads import Uploads

if TYPE_CHECKING:
    from pathlib import Path

VALUES = np.random.default_rng(0).integers(0, 2000, (5, 700, 900), np.int16)
IMAGE = Volume(VALUES, "zyx", (3.0, 1.0, 1.5), "mm")
OFFER = offer_of(IMAGE)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "images", Quotas())


def test_an_image_comes_in_parts_of_which_the_last_is_shorter(uploads: Uploads) -> None:
    assert uploads.offer(OFFER, 0).missing == (0, 1)
    raw = dict(missing_parts(IMAGE, OFFER, (0, 1)))
    assert [len(raw[number]) for number in (0, 1)] == [CHUNK, VALUES.nbytes - CHUNK]
    parts = {number: zlib.compress(part) for number, part in raw.items()}
    uploads.put(OFFER.key, 1, parts[1])
    with pytest.raises(ValueError, match="1 parts of the image are missing"):
        uploads.open(OFFER.key)
    assert uploads.offer(OFFER, 0).missing == (0,)
    with pytest.raises(ValueError, match="expected"):
        uploads.put(OFFER.key, 0, parts[1])
    uploads.put(OFFER.key, 0, parts[0])
    image = uploads.open(OFFER.key)
    np.testing.assert_array_equal(image.data, VALUES)
    assert (image.axes, image.spacing, image.units) == ("zyx", (3.0, 1.0, 1.5), "mm")


def test_its_files_are_for_the_server_alone(uploads: Uploads, tmp_path: Path) -> None:
    uploads.offer(OFFER, 0)
    folder = tmp_path / "images" / OFFER.key
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_a_key_stands_for_one_image(uploads: Uploads) -> None:
    uploads.offer(OFFER, 0)
    with pytest.raises(ValueError, match="another image has the key"):
        uploads.offer(OFFER.model_copy(update={"spacing": (2.0, 1.0, 1.5)}), 0)
    uploads.discard(OFFER.key)
    with pytest.raises(FileNotFoundError, match=OFFER.key):
        uploads.state(OFFER.key)


def test_room_is_taken_to_the_last_byte(tmp_path: Path) -> None:
    size = VALUES.nbytes
    exact = Uploads(tmp_path / "one", Quotas(image_bytes=size, disk_bytes=size + 10))
    with pytest.raises(ValueError, match=f"{size - 1} bytes are left, the image has {size}"):
        exact.offer(OFFER, 11)
    exact.offer(OFFER, 10)
    small = Uploads(tmp_path / "two", Quotas(image_bytes=size - 1))
    with pytest.raises(ValueError, match=f"may have {size - 1} bytes, this has {size}"):
        small.offer(OFFER, 0)
