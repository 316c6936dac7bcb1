"""Data sets of nnU-Net: image and labels in one place, classes numbered in turn."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from napari_promptseg import Volume
from napari_promptseg.io.write import write_labels

SHAPE = (3, 4, 5)
AFFINE = np.array([[-0.5, 0, 0, 9], [0, -0.6, 0, 8], [0, 0, 2, 7], [0, 0, 0, 1]])
LABELS = np.zeros(SHAPE, int)
LABELS[0, 1:3, 2], LABELS[1, 0, 0], LABELS[2, 3, 4] = 4, 9, 70


@pytest.mark.parametrize("channels", [1, 2])
def test_a_case_has_image_labels_and_classes(tmp_path, channels):
    values = np.random.default_rng(0).integers(-900, 900, (*SHAPE, channels)).astype(np.int16)
    data, axes = (values[..., 0], "zyx") if channels == 1 else (values, "zyxc")
    source = tmp_path / "scan.nii.gz"
    volume = Volume(data, axes, (2, 0.6, 0.5), "mm", AFFINE, source=source)
    names = {4: "liver", 9: "tumour", 70: "liver"}
    path = write_labels(tmp_path / "Dataset012_Liver", LABELS, volume, names)
    content = json.loads((path / "dataset.json").read_text("utf-8"))
    assert content["labels"] == {"background": 0, "liver": 1, "tumour": 2}
    assert (content["numTraining"], len(content["channel_names"])) == (1, channels)
    labels = nibabel.load(path / "labelsTr" / "scan.nii.gz")
    expected = np.where(np.isin(LABELS, (4, 70)), 1, np.where(LABELS == 9, 2, 0))
    np.testing.assert_array_equal(np.asarray(labels.dataobj).T, expected)
    for number in range(channels):
        image = nibabel.load(path / "imagesTr" / f"scan_{number:04d}.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, values[..., number])
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        np.testing.assert_array_equal(image.affine, labels.affine)
    with pytest.raises(FileExistsError):
        write_labels(path, LABELS, volume)


def test_a_series_is_refused(tmp_path):
    volume = Volume(np.zeros(SHAPE), "tyx")
    with pytest.raises(ValueError, match="holds volumes and images"):
        write_labels(tmp_path / "Dataset001_x", LABELS, volume)
    assert not list(tmp_path.iterdir())
