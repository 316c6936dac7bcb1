"""Facts of an image in a saved session, and notes on labels that are added."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_promptseg import Session, Volume
from napari_promptseg.io.write import write_labels

IMAGE = np.zeros((4, 9, 11), np.uint8)


@pytest.mark.parametrize(
    "provenance", [{}, {"spacing": "file"}, {"spacing": "caller", "position": "file"}]
)
def test_what_nobody_stated_is_not_stated_after_a_save(tmp_path, provenance):
    volume = Volume(IMAGE, "zyx", (2, 1, 0.5), "mm", provenance=provenance)
    session = Session(volume, "grabcut")
    session.save(tmp_path / "a.promptseg")
    again = Session.load(tmp_path / "a.promptseg").volume
    assert dict(again.provenance) == provenance


def overlapping(path):
    """Make a structure set of two structures, one of which covers the other."""
    volume = Volume(IMAGE, "zyx", (2, 1, 0.5), "mm", np.diag([0.5, 1, 2, 1.0]))
    import pydicom

    labels = np.zeros(IMAGE.shape, int)
    labels[1, 2:5, 3:6], labels[1, 6:8, 3:6] = 1, 2
    write_labels(path, labels, volume)
    ds = pydicom.dcmread(path)
    one, other = ds.ROIContourSequence
    other.ContourSequence = [*one.ContourSequence, *other.ContourSequence]
    ds.save_as(path)
    return volume


def test_notes_on_labels_reach_who_listens(tmp_path):
    session = Session(overlapping(tmp_path / "rtstruct.dcm"), "grabcut")
    with pytest.warns(UserWarning, match="structures overlap in 9 voxels"):
        session.add_labels(tmp_path / "rtstruct.dcm")
    notes = []
    session.events.notice.connect(notes.append)
    session.add_labels(tmp_path / "rtstruct.dcm")
    assert notes == ["structures overlap in 9 voxels; there the later one is kept"]


def test_labels_on_another_grid_are_resampled_when_asked(tmp_path):
    affine = np.diag([0.5, 1, 2, 1.0])
    session = Session(Volume(IMAGE, "zyx", (2, 1, 0.5), "mm", affine), "grabcut")
    labels = np.zeros((4, 9, 5), np.uint8)
    labels[2, 3:6, 1:3] = 1
    coarse = nibabel.Nifti1Image(labels.T, np.diag([1.0, 1, 2, 1]))
    nibabel.save(coarse, tmp_path / "a.nii")
    with pytest.raises(ValueError, match="resample=True"):
        session.add_labels(tmp_path / "a.nii")
    assert not session.objects
    session.add_labels(tmp_path / "a.nii", resample=True)
    assert (session.labels[2, 3:6, 2:5] == 1).all()
