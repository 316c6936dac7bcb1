"""COCO annotations back as labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels
from napari_promptseg.io.write import write_labels

RNG = np.random.default_rng(6)
LABELS = RNG.integers(0, 4, (3, 8, 9)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".json", ".polygons.json"])
@pytest.mark.parametrize("axes", ["zyx", "tyx"])
def test_labels_and_names_come_back(tmp_path, suffix, axes):
    volume = Volume(np.zeros(LABELS.shape), axes)
    path = write_labels(tmp_path / f"a{suffix}", LABELS, volume, {1: "cell", 3: "cell"})
    labels, legend = read_labels(path, volume)
    np.testing.assert_array_equal(labels, LABELS)
    assert legend.names == {1: "cell", 2: "object", 3: "cell"}
    assert legend.notes == ()


def coco(path, images, annotations):
    categories = [{"id": 7, "name": "cat"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content))
    return path


def image(number, name, shape=(8, 9)):
    return {"id": number, "file_name": name, "height": shape[0], "width": shape[1]}


def test_images_are_found_by_the_names_of_their_files(tmp_path):
    (tmp_path / "film").mkdir()
    for number in range(3):
        frame = Image.fromarray(np.zeros((8, 9), np.uint8))
        frame.save(tmp_path / "film" / f"{number}.png")
    square = [1, 2, 4, 2, 4, 6, 1, 6]
    annotation = {"id": 5, "image_id": 11, "category_id": 7, "segmentation": [square]}
    path = coco(tmp_path / "a.json", [image(11, "sub/2.png")], [annotation])
    labels, legend = read_labels(path, open_volume(tmp_path / "film"))
    expected = np.zeros((3, 8, 9), bool)
    expected[2, 2:6, 1:4] = True
    np.testing.assert_array_equal(labels == 5, expected)
    assert legend.names == {5: "cat"}


def test_compressed_run_lengths_and_overlap(tmp_path):
    # Columns of 8 rows: 18 off, 2 on, 6 off, 2 on, 44 off; packed as the COCO tools do.
    packed = {"counts": "b0260V1", "size": [8, 9]}
    plain = {"counts": [18, 2, 6, 2, 44], "size": [8, 9]}
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 7, "segmentation": plain},
        {"id": 2, "image_id": 0, "category_id": 7, "segmentation": packed},
        {"id": 3, "image_id": 0, "category_id": 7, "segmentation": []},
    ]
    volume = Volume(np.zeros((8, 9)), "yx")
    labels, legend = read_labels(coco(tmp_path / "a.json", [image(0, "x")], annotations), volume)
    expected = np.zeros((8, 9), bool)
    expected[2:4, 2:4] = True
    np.testing.assert_array_equal(labels == 2, expected)
    assert legend.notes == (
        "annotations overlap in 4 pixels; there the later one is kept",
        "1 annotations have no mask or no plane and are not taken",
    )


def test_what_does_not_fit_is_refused(tmp_path):
    volume = Volume(np.zeros((3, 8, 9)), "zyx")
    with pytest.raises(ValueError, match="has 5 x 9 pixels, the planes have 8 x 9"):
        read_labels(coco(tmp_path / "a.json", [image(0, "x", (5, 9))], []), volume)
    with pytest.raises(ValueError, match="1 images, the volume 3 planes"):
        read_labels(coco(tmp_path / "b.json", [image(0, "x")], []), volume)
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ValueError, match="is not COCO"):
        read_labels(tmp_path / "c.json", volume)
    with pytest.raises(ValueError, match="need the image"):
        read_labels(tmp_path / "c.json")
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "none.json", volume)


def test_ids_that_are_no_labels_get_new_ones(tmp_path):
    ids = (0, "a", 2**40, 2)
    annotations = [
        {
            "id": key,
            "image_id": 0,
            "category_id": 7,
            "segmentation": [[x, 1, x + 1, 1, x + 1, 4, x, 4]],
        }
        for x, key in enumerate(ids)
    ]
    volume = Volume(np.zeros((8, 9)), "yx")
    path = coco(tmp_path / "a.json", [{"id": 0, "file_name": "x"}], annotations)
    labels, legend = read_labels(path, volume)
    np.testing.assert_array_equal(labels[1, :5], [1, 3, 4, 2, 0])
    assert set(legend.names) == {1, 2, 3, 4}


def test_run_lengths_of_another_size_are_refused(tmp_path):
    lengths = {"counts": [8, 3, 61], "size": [9, 8]}
    annotation = {"id": 1, "image_id": 0, "category_id": 7, "segmentation": lengths}
    path = coco(tmp_path / "a.json", [image(0, "x")], [annotation])
    with pytest.raises(ValueError, match=r"run lengths are of \[9, 8\] pixels"):
        read_labels(path, Volume(np.zeros((8, 9)), "yx"))
