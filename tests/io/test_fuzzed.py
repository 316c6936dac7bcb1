"""Files of every format with bytes changed or cut: an error that says so, or pixels."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import cv2
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_files import write_series
from napari_promptseg import open_volume
from napari_promptseg.data.geometry import plane_by_index
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.read_labels import read_labels

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
DATA = RNG.integers(0, 200, (4, 20, 22)).astype(np.uint8)
FORMATS = ("nii", "nii.gz", "nrrd", "tif", "npy", "png", "jpg", "webp", "bmp", "dcm")
_CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """A whole file of each format."""
    folder = tmp_path_factory.mktemp("files")
    image = nibabel.Nifti1Image(DATA, np.diag([1.0, 2, 3, 1]))
    for suffix in ("nii", "nii.gz"):
        nibabel.save(image, folder / f"a.{suffix}")
    nrrd.write(str(folder / "a.nrrd"), DATA)
    tifffile.imwrite(folder / "a.tif", DATA, metadata={"axes": "ZYX"}, compression="zlib")
    np.save(folder / "a.npy", DATA)
    for suffix in ("png", "jpg", "webp", "bmp"):
        cv2.imwrite(str(folder / f"a.{suffix}"), DATA[0])
    write_series(folder / "dicom", DATA[:1].astype(np.int16))
    shutil.copy(next((folder / "dicom").iterdir()), folder / "a.dcm")
    return {suffix: (folder / f"a.{suffix}").read_bytes() for suffix in FORMATS}


def read(path: Path) -> None:
    """Read what a user would look at."""
    try:
        volume = open_volume(path)
        values = volume.read(
            plane_by_index(volume.names, volume.shape, [0] * (len(volume.shape) - 2))
        )
    except (ValueError, OSError):
        return
    assert values.ndim >= 2
    try:
        read_labels(path, Volume(DATA))
    except (ValueError, OSError):
        return


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=40)
@given(_CHANGES, st.floats(0, 1) | st.just(1.0))
def test_damaged_files(files, tmp_path, suffix, changes, share) -> None:
    content = bytearray(files[suffix])
    # Heads are short and matter most: half of the changes go there.
    for number, (at, value) in enumerate(changes):
        end = min(400, len(content)) if number % 2 else len(content)
        content[int(at * end)] = value
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(content[: max(int(share * len(content)), 1)])
    read(path)


@pytest.mark.parametrize("suffix", FORMATS)
@given(st.binary(max_size=300))
def test_files_of_anything(tmp_path, suffix, content) -> None:
    path = tmp_path / f"anything.{suffix}"
    path.write_bytes(content)
    read(path)


@given(st.sampled_from(["zarr.json", ".zattrs", ".zgroup", "c/0/0/0"]), st.binary(max_size=200))
def test_zarr_with_damaged_parts(tmp_path, part, content) -> None:
    import zarr

    folder = tmp_path / "a.zarr"
    shutil.rmtree(folder, ignore_errors=True)
    zarr.save_array(folder, DATA)
    (folder / part).parent.mkdir(parents=True, exist_ok=True)
    (folder / part).write_bytes(content)
    read(folder)
