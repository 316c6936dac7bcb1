"""Input that is damaged, odd or out of bounds: a clear error, or it simply works."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
import zarr

from dicom_files import write_series
from helpers import RecordingArray, ToyBackend, bright, ellipsoid
from napari_promptseg import Volume, open_volume
from napari_promptseg.io.write import write_labels
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (5, 24, 26)
BALL = ellipsoid(SHAPE, (2, 12, 12), (2, 7, 7))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((4, 5), complex), "pixels must be numbers, got dtype complex128"),
        (np.full((4, 5), "a"), "pixels must be numbers, got dtype <U1"),
        (np.zeros((4, 0, 5)), r"shape \(4, 0, 5\) has an axis without pixels"),
        (np.zeros(7), "cannot guess the axes"),
    ],
)
def test_arrays_that_are_no_images(tmp_path: Path, values, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        Volume(values)
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match=reason) as caught:
        open_volume(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(caught.value)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        open_volume(tmp_path / "a.npy")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_are_looked_over(odd) -> None:
    values = bright(BALL).astype(np.float32)
    values[:, :3] = odd
    volume = Volume(values)
    assert np.isfinite([volume.intensity_window.low, volume.intensity_window.high]).all()
    session = Session(volume, ToyBackend())
    session.add_point((2, 12, 12))
    assert session.mask[2].sum() == BALL[2].sum()


def test_a_volume_of_one_plane_works(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(bright(BALL[2:3]).T, np.eye(4)), tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    assert (volume.names, volume.shape[0]) == ("zyx", 1)
    session = Session(volume, ToyBackend())
    session.add_point((0, 12, 12))
    session.propagate().run()
    label = session.commit()
    session.export(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(open_volume(tmp_path / "b.nii.gz").data[0] == label, BALL[2])


def test_labels_of_64_bits_are_taken_if_their_values_fit() -> None:
    labels = np.where(BALL, 3, 0).astype(np.uint64)
    session = Session(bright(BALL), ToyBackend(), labels=labels)
    assert list(session.objects) == [3]
    huge = np.where(BALL, np.uint64(2**63 + 9), np.uint64(0))
    with pytest.raises(ValueError, match=f"0 to 65535, got 0 to {2**63 + 9}"):
        Session(bright(BALL), ToyBackend(), labels=huge)
    assert session.add_labels(np.where(labels > 0, 0, huge.max()).astype(np.uint64)) == {
        2**63 + 9: 1
    }


def test_axes_that_are_not_at_right_angles_keep_their_affine(tmp_path: Path) -> None:
    affine = np.array([[1, 0.3, 0.2, 5], [0, 1, 0.4, 6], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(bright(BALL).T, affine), tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    session = Session(volume, ToyBackend())
    session.add_point((2, 12, 12))
    session.commit()
    for suffix in (".nii", ".nrrd"):
        session.export(tmp_path / f"b{suffix}")
        np.testing.assert_allclose(open_volume(tmp_path / f"b{suffix}").affine, affine, atol=1e-6)


def test_slices_with_pixels_of_several_sizes_are_refused(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 6), np.uint16)
    uid = write_series(tmp_path / "a", values)
    write_series(
        tmp_path / "b", values, spacing=(0.7, 0.8), origin=(0, 0, 99), SeriesInstanceUID=uid
    )
    with pytest.raises(ValueError, match=r"differ in the size of their pixels.*0\.8"):
        open_volume(tmp_path)


def test_a_damaged_chunk_names_its_place_and_loses_nothing(tmp_path: Path) -> None:
    data = zarr.create_array(
        tmp_path / "a.zarr", shape=SHAPE, chunks=(1, 24, 26), dtype="u2", fill_value=0
    )
    data[...] = bright(BALL)
    session = Session(open_volume(tmp_path / "a.zarr", axes="zyx"), ToyBackend())
    session.add_point((2, 12, 12))
    label = session.commit()
    chunk = next(p for p in (tmp_path / "a.zarr").rglob("*") if p.is_file() and p.parts[-3] == "3")
    chunk.write_bytes(chunk.read_bytes()[:9])
    with pytest.raises(OSError, match=r"cannot read .*a\.zarr at z = 3"):
        session.add_point((3, 12, 12))
    assert not session.prompts
    assert (session.labels == label).sum() == BALL[2].sum()
    session.neighbors = False  # or propagation ends at the committed object
    session.add_point((1, 12, 12))
    with pytest.raises(OSError, match="at z = 3"):
        session.propagate(1, 5).run()
    assert session.mask[1].any()
    assert session.commit() != label


def test_an_array_that_fails_is_told_with_its_reason() -> None:
    class Failing(RecordingArray):
        def __getitem__(self, index):
            raise RuntimeError("connection lost")

    session = Session(Volume(Failing(bright(BALL)), window=None), ToyBackend())
    with pytest.raises(OSError, match="cannot read the image at z = 2: connection lost"):
        session.add_point((2, 12, 12))


FULL = """
import resource, sys
import numpy as np
from napari_promptseg import Volume
from napari_promptseg.io.write import write_labels
rng = np.random.default_rng(0)
labels = rng.integers(0, 60000, (40, 64, 64))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_labels(sys.argv[1], labels, Volume(np.zeros(labels.shape)), overwrite=True)
except OSError as error:
    print("OSError", error)
"""


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".tif", ".npy"])
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path, suffix) -> None:
    path = write_labels(tmp_path / f"a{suffix}", BALL, Volume(bright(BALL)))
    before = path.read_bytes()
    run = [sys.executable, "-c", FULL, str(path)]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.stdout.startswith("OSError"), result.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_without_permission_is_told_as_such(tmp_path: Path, monkeypatch) -> None:
    np.save(tmp_path / "a.npy", bright(BALL))

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "a.npy"))

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(PermissionError, match=r"a\.npy"):
        open_volume(tmp_path / "a.npy")
