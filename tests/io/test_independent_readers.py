"""Every pair of reader and writer of geometry, checked with ITK, for random affines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

sitk = pytest.importorskip("SimpleITK", reason="an independent reader")

SHAPE = (3, 4, 5)
LPS = np.diag([-1.0, -1.0, 1.0])
MM = {"mm": 1.0, "µm": 1e-3, "cm": 10.0}


@st.composite
def affines(draw):
    """Oblique and left-handed affines; the spacing as well, in array order."""
    entries = draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
    turn, _ = np.linalg.qr(np.reshape(entries, (3, 3)) + 2 * np.eye(3))
    spacing = np.array(draw(st.tuples(*[st.floats(0.1, 9)] * 3)))
    order = draw(st.permutations(range(3)))
    signs = np.array(draw(st.tuples(*[st.sampled_from([-1, 1])] * 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn[:, order] * signs * spacing
    affine[:3, 3] = draw(st.tuples(*[st.floats(-300, 300)] * 3))
    return affine, tuple(spacing[::-1])


def labels_with_a_corner():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 1, 2], labels[2, 3, 4] = 1, 2
    return labels


def places(image):
    """Where ITK finds each label, in mm right, front and head."""
    values = sitk.GetArrayFromImage(image)
    return {
        int(v): LPS @ image.TransformIndexToPhysicalPoint([int(i) for i in at[::-1]])
        for at in np.argwhere(values)
        for v in [values[tuple(at)]]
    }


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("unit", MM)
@settings(max_examples=10, deadline=None)
@given(affines())
def test_itk_finds_each_label_in_its_place(suffix, unit, placed):
    if suffix == ".nrrd" and unit != "mm":
        pytest.skip("ITK reads NRRD without its units")
    affine, spacing = placed
    labels = labels_with_a_corner()
    volume = Volume(np.zeros(SHAPE), "zyx", spacing, unit, affine)
    with tempfile.TemporaryDirectory() as folder:
        path = write_labels(Path(folder) / f"a{suffix}", labels, volume)
        found = places(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(read_labels(path, volume)[0], labels)
    for label, place in found.items():
        z, y, x = np.argwhere(labels == label)[0]
        expected = (affine @ [x, y, z, 1])[:3] * MM[unit]
        np.testing.assert_allclose(place, expected, rtol=1e-4, atol=1e-3 * MM[unit])


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@settings(max_examples=10, deadline=None)
@given(affines(), st.sampled_from([np.uint8, np.int16, np.uint16, np.float32]))
def test_images_that_itk_wrote_lie_in_their_place(suffix, placed, dtype):
    affine, spacing = placed
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)
    image = sitk.GetImageFromArray(values)
    world = LPS @ affine[:3, :3]
    image.SetSpacing([float(s) for s in spacing[::-1]])
    image.SetDirection((world / spacing[::-1]).ravel().tolist())
    image.SetOrigin((LPS @ affine[:3, 3]).tolist())
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(image, str(Path(folder) / f"a{suffix}"))
        volume = open_volume(Path(folder) / f"a{suffix}")
        np.testing.assert_array_equal(np.array(volume.data), values)
    assert (volume.axes, volume.units, volume.data.dtype) == ("zyx", "mm", dtype)
    np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-4)
    np.testing.assert_allclose(volume.affine, affine, rtol=1e-4, atol=2e-3)
    assert volume.states("spacing", "orientation", "position")
