"""Data sets as they lie on disk."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from datasets import write_images, write_video, write_volume
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.sampling import spread
from napari_promptseg.evaluation.datasets import find_cases, find_sets


def test_sets_are_found_by_what_they_hold(tmp_path):
    write_images(tmp_path / "easy")
    write_volume(tmp_path / "organ")
    write_video(tmp_path / "film")
    assert list(find_sets(tmp_path)) == ["easy", "film", "organ"]
    assert list(find_sets(tmp_path / "film")) == ["film"]


def test_a_folder_without_sets_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        find_sets(tmp_path)
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        find_cases(tmp_path)


@pytest.mark.parametrize(
    ("write", "axes", "shape"),
    [
        pytest.param(write_images, "yxc", (64, 80), id="images"),
        pytest.param(write_volume, "zyx", (16, 48, 48), id="volumes"),
        pytest.param(write_video, "tyxc", (4, 48, 64), id="videos"),
    ],
)
def test_a_case_is_read_with_its_ids(tmp_path, write, axes, shape):
    write(tmp_path / "set")
    truth = find_cases(tmp_path / "set")[0].read()
    assert truth.volume.axes == axes
    assert truth.volume.shape == truth.ids.shape == shape
    assert set(np.unique(truth.ids)) == {0, 1}
    assert truth.ignored is None


def test_a_limit_keeps_cases_evenly_spread(tmp_path):
    write_images(tmp_path / "set", count=5)
    names = [case.name for case in find_cases(tmp_path / "set", limit=3)]
    assert names == ["scene0", "scene2", "scene4"]
    assert spread("abcde", 9) == list("abcde")


def test_ignored_pixels_are_no_part_of_an_object(tmp_path):
    write_images(tmp_path / "set", count=1)
    ignored = np.zeros((64, 80), np.uint8)
    ignored[:, 30:] = 9
    (tmp_path / "set" / "ignore").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "ignore" / "scene0.png"), ignored)
    truth = find_cases(tmp_path / "set")[0].read()
    target = truth.target(1)
    assert target.truth.any()
    assert not target.truth[:, 30:].any()
    everything = np.ones(truth.ids.shape, bool)
    np.testing.assert_array_equal(target.judged(everything), ignored == 0)


def test_a_second_annotator_shares_the_image(tmp_path):
    write_images(tmp_path / "set", count=1)
    masks = tmp_path / "set" / "masks"
    (masks / "scene0_fine.png").write_bytes((masks / "scene0.png").read_bytes())
    cases = find_cases(tmp_path / "set")
    assert [case.name for case in cases] == ["scene0", "scene0_fine"]
    assert cases[0].image == cases[1].image


def test_numbers_of_a_palette_are_the_ids(tmp_path):
    write_images(tmp_path / "set", count=1)
    path = tmp_path / "set" / "masks" / "scene0.png"
    ids = np.zeros((64, 80), np.uint8)
    ids[10:20, 10:20] = 3
    image = Image.fromarray(ids).convert("P")
    image.putdata(ids.ravel().tolist())
    image.putpalette([(37 * i) % 256 for i in range(768)])
    image.save(path)
    np.testing.assert_array_equal(find_cases(tmp_path / "set")[0].read().ids, ids)


def test_labels_of_another_shape_are_refused(tmp_path):
    write_images(tmp_path / "set", count=1)
    mask = tmp_path / "set" / "masks" / "scene0.png"
    cv2.imwrite(str(mask), np.ones((10, 10), np.uint8))
    with pytest.raises(ValueError, match=r"scene0\.png.*\(10, 10\).*\(64, 80\)"):
        find_cases(tmp_path / "set")[0].read()


def test_a_mask_without_an_image_is_named(tmp_path):
    write_images(tmp_path / "set", count=1)
    (tmp_path / "set" / "images" / "scene0.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"scene0\.png"):
        find_cases(tmp_path / "set")


def test_a_section_is_an_image_in_the_window_and_spacing_of_the_volume(tmp_path):
    write_volume(tmp_path / "set", spacing=(3.0, 1.0, 2.0))
    truth = find_cases(tmp_path / "set")[0].read()
    section = truth.section(Plane((None, 24, None)))
    assert (section.volume.axes, section.volume.spacing) == ("yx", (3.0, 2.0))
    assert section.volume.intensity_window == truth.volume.intensity_window
    np.testing.assert_array_equal(section.ids, truth.ids[:, 24])
