from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from napari_promptseg import Volume, open_volume
from napari_promptseg.data.intensity_window import CT_WINDOWS
from napari_promptseg.io import bioimage
from napari_promptseg.io.formats import READ_SUFFIXES
from napari_promptseg.io.write import write_labels

# Those of microscopes need an extra; see test_bioimage.
SUFFIXES = [suffix for suffix in READ_SUFFIXES if suffix not in bioimage.SUFFIXES]
VALUES = np.arange(2 * 5 * 7, dtype=np.int16).reshape(2, 5, 7)


@pytest.fixture
def scan(tmp_path):
    affine = np.array([[0, -2.0, 0, 5], [3.0, 0, 0, 6], [0, 0, 4.0, 7], [0, 0, 0, 1]])
    volume = Volume(VALUES, "zyx", (4, 2, 3), "mm", affine)
    return write_labels(tmp_path / "scan.nii", VALUES, volume)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_volume(tmp_path / "nowhere.nii")


def test_unknown_suffix_lists_the_valid_ones(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"x" * 200)
    with pytest.raises(ValueError, match=r"'\.xyz'; valid:") as caught:
        open_volume(tmp_path / "a.xyz")
    assert all(suffix in str(caught.value) for suffix in READ_SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"no image, but words " * 40])
def test_damaged_file_is_named(tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*bad") as caught:
        open_volume(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".tif", ".npy", ".png"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_truncated_file_is_named(tmp_path, suffix, part):
    noise = np.random.default_rng(0).integers(0, 60000, (8, 60, 70))
    labels = noise[0] if suffix == ".png" else noise
    path = write_labels(tmp_path / f"cut{suffix}", labels, Volume(labels))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match=r"cannot read .*cut"):
        open_volume(path)


def test_source_and_upper_case_suffix(scan):
    path = scan.rename(scan.with_name("SCAN.NII"))
    assert open_volume(str(path)).source == str(path)


def test_overrides_replace_what_the_file_says(scan):
    volume = open_volume(scan, axes="tyx", units="µm", window="ct-lung", spacing=(9, 4, 3))
    assert (volume.axes, volume.units, volume.spacing) == ("tyx", "µm", (9, 4, 3))
    assert volume.window == CT_WINDOWS["ct-lung"]


def test_spacing_also_scales_the_affine(scan):
    before, after = open_volume(scan), open_volume(scan, spacing=(8, 2, 1.5))
    np.testing.assert_allclose(after.affine[:3, 0], before.affine[:3, 0] / 2)
    np.testing.assert_allclose(after.affine[:3, 1], before.affine[:3, 1])
    np.testing.assert_allclose(after.affine[:3, 2], before.affine[:3, 2] * 2)
    np.testing.assert_allclose(after.affine[:3, 3], before.affine[:3, 3])
    volume = open_volume(scan, spacing=(8, 2, 1.5), affine=np.eye(4))
    np.testing.assert_array_equal(volume.affine, np.eye(4))


def test_unfit_overrides(scan):
    with pytest.raises(TypeError, match=r"\['scale'\]; valid: \['affine', 'axes'"):
        open_volume(scan, scale=2)
    with pytest.raises(ValueError, match=r"'1.2' given, but .* is not DICOM"):
        open_volume(scan, series="1.2")
    with pytest.raises(ValueError, match=r"cannot read .*scan\.nii: axes 'yx' do not fit"):
        open_volume(scan, axes="yx")


def test_npy_stays_on_disk(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    volume = open_volume(tmp_path / "a.npy", axes="tyx", spacing=(1, 2, 3))
    assert isinstance(volume.data, np.memmap)
    np.testing.assert_array_equal(volume.data, VALUES)


def test_npy_that_cannot_be_guessed_says_what_to_pass(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 2, 2, 2)))
    with pytest.raises(ValueError, match="pass axes"):
        open_volume(tmp_path / "a.npy")


class Trap:
    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pickles_are_never_run(tmp_path, suffix):
    path = tmp_path / f"trap{suffix}"
    head = b""
    if suffix == ".npy":
        text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }\n"
        head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    path.write_bytes(head + pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="trap"):
        open_volume(path)
    assert not Trap.sprung


def test_file_that_may_not_be_read(scan, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("nibabel.load", refuse)
    with pytest.raises(PermissionError):
        open_volume(scan)
