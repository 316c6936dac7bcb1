from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_promptseg import Volume, open_volume
from napari_promptseg.io.read_labels import read_labels

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 255, (6, 7)).astype(np.uint8)
COLOR = RNG.integers(0, 255, (6, 7, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65535, (6, 7, 4)).astype(np.uint16)


def save(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_colors(tmp_path, suffix):
    volume = open_volume(save(tmp_path / f"a{suffix}", COLOR, lossless=True))
    assert (volume.axes, volume.units) == ("yxc", "pixel")
    np.testing.assert_array_equal(volume.data, COLOR)


def test_jpeg(tmp_path):
    smooth = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (16, 1))
    data = np.asarray(open_volume(save(tmp_path / "a.JPEG", smooth, quality=95)).data)
    assert np.abs(data.astype(int) - smooth).max() < 12


@pytest.mark.parametrize("values", [GREY, DEEP[..., 0], GREY > 99])
def test_grey_keeps_its_depth(tmp_path, values):
    volume = open_volume(save(tmp_path / "a.png", values))
    assert (volume.axes, volume.data.dtype) == ("yx", values.dtype)
    np.testing.assert_array_equal(volume.data, values)


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colors_are_not_cut_to_8_bits(tmp_path, channels):
    pixels = DEEP[..., :channels]
    cv2.imwrite(str(tmp_path / "a.png"), pixels)  # as blue, green, red
    np.testing.assert_array_equal(open_volume(tmp_path / "a.png").data, pixels[..., 2::-1])


def test_opacity_and_palettes(tmp_path):
    opacity = np.full((6, 7, 1), 9, np.uint8)
    volume = open_volume(save(tmp_path / "a.png", np.concatenate([COLOR, opacity], 2)))
    np.testing.assert_array_equal(volume.data, COLOR)
    grey = open_volume(save(tmp_path / "b.png", np.concatenate([GREY[..., None], opacity], 2)))
    np.testing.assert_array_equal(grey.data, GREY)
    few = COLOR // 128 * 255
    Image.fromarray(few).quantize(8).save(tmp_path / "c.png")
    np.testing.assert_array_equal(open_volume(tmp_path / "c.png").data, few)


def test_folder_is_a_stack_in_natural_order(tmp_path):
    for i in (10, 9, 2, 1):
        save(tmp_path / f"im{i}.png", np.full((6, 7), i, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._im1.png").write_bytes(b"left by another system")
    volume = open_volume(tmp_path)
    assert (volume.axes, volume.shape) == ("zyx", (4, 6, 7))
    assert np.asarray(volume.data)[:, 0, 0].tolist() == [1, 2, 9, 10]
    assert volume.data[2, 1:3, 0].tolist() == [9, 9]


def test_folder_of_colors_as_frames(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.webp", COLOR + i, lossless=True)
    volume = open_volume(tmp_path, axes="tyxc")
    np.testing.assert_array_equal(volume.data, np.stack([COLOR, COLOR + 1, COLOR + 2]))


def test_folder_of_tiff(tmp_path):
    for i in range(3):
        tifffile.imwrite(tmp_path / f"{i}.tif", DEEP[..., i], compression="zlib")
    np.testing.assert_array_equal(open_volume(tmp_path).data, np.moveaxis(DEEP[..., :3], -1, 0))


def test_folder_of_several_sizes(tmp_path):
    save(tmp_path / "1.png", GREY)
    save(tmp_path / "2.png", GREY[1:])
    with pytest.raises(ValueError, match=r"2\.png has \(5, 7\).*1\.png has \(6, 7\)"):
        open_volume(tmp_path)


def test_folder_with_grey_and_color_fails_where_they_differ(tmp_path):
    save(tmp_path / "1.png", GREY)
    save(tmp_path / "2.png", COLOR)
    data = open_volume(tmp_path).data
    np.testing.assert_array_equal(data[0], GREY)
    with pytest.raises(ValueError, match=r"2\.png holds uint8 of shape \(6, 7, 3\)"):
        data[1]


def test_damaged_image_of_a_folder_is_named(tmp_path):
    noise = RNG.integers(0, 255, (60, 70)).astype(np.uint8)
    save(tmp_path / "1.png", noise)
    content = save(tmp_path / "2.png", noise).read_bytes()
    (tmp_path / "2.png").write_bytes(content[: len(content) // 2])
    data = open_volume(tmp_path).data
    with pytest.raises(ValueError, match=r"cannot read .*2\.png"):
        data[1]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("deep", [False, True])
def test_truncated_image_is_named(tmp_path, suffix, deep):
    path = tmp_path / f"cut{suffix}"
    noise = RNG.integers(0, 65535 if deep and suffix == ".png" else 255, (60, 70, 3))
    cv2.imwrite(str(path), noise.astype(np.uint16 if deep and suffix == ".png" else np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cannot read .*cut"):
        open_volume(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_photographs_are_upright(tmp_path, suffix, orientation):
    values = np.zeros((16, 32, 3), np.uint8)
    values[:8, :8] = 255
    exif = Image.Exif()
    exif[0x112] = orientation
    path = save(tmp_path / f"a{suffix}", values, exif=exif)
    expected = cv2.imread(str(tmp_path / f"a{suffix}")) if suffix == ".jpg" else None
    volume = open_volume(path)
    assert volume.shape == ((16, 32) if orientation < 5 else (32, 16))
    if expected is not None:
        assert np.abs(np.asarray(volume.data).astype(int) - expected).max() < 30


def test_folder_of_photographs_that_were_turned(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    for number in range(2):
        save(tmp_path / f"{number}.jpg", np.zeros((16, 32, 3), np.uint8), exif=exif)
    assert open_volume(tmp_path).shape == (2, 32, 16)


def test_deep_grey_with_opacity_keeps_its_bits(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    values = np.stack([DEEP[..., 0], np.full((6, 7), 65535, np.uint16)], -1)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(values))
    volume = open_volume(tmp_path / "a.png")
    assert (volume.axes, volume.data.dtype) == ("yx", np.uint16)
    np.testing.assert_array_equal(volume.data, DEEP[..., 0])


def test_gif_is_a_film(tmp_path):
    pages = [Image.fromarray(np.full((6, 7), 90 * i, np.uint8)) for i in range(3)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:])
    volume = open_volume(tmp_path / "a.gif")
    assert volume.axes == "tyx"
    assert np.asarray(volume.data)[:, 0, 0].tolist() == [0, 90, 180]


def palette(path, indices):
    image = Image.fromarray(indices, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(path)
    return path


def test_palette_indices_are_labels(tmp_path):
    indices = (GREY % 3).astype(np.uint8)
    labels, _ = read_labels(palette(tmp_path / "a.png", indices), Volume(np.zeros((6, 7)), "yx"))
    np.testing.assert_array_equal(labels, indices)
    (tmp_path / "film").mkdir()
    for number in range(2):
        palette(tmp_path / "film" / f"{number}.png", indices)
    labels, _ = read_labels(tmp_path / "film", Volume(np.zeros((2, 6, 7)), "tyx"))
    np.testing.assert_array_equal(labels, np.stack([indices, indices]))


def test_folder_of_volumes_is_a_series(tmp_path):
    stacks = [RNG.integers(0, 255, (5, 6, 7)).astype(np.uint8) for _ in range(3)]
    for number, stack in enumerate(stacks):
        tifffile.imwrite(tmp_path / f"t{number:03d}.tif", stack)
    volume = open_volume(tmp_path)
    assert volume.axes == "tzyx"
    np.testing.assert_array_equal(volume.data, np.stack(stacks))
    np.testing.assert_array_equal(volume.data[1, 2], stacks[1][2])
    assert "3 volumes of the folder are taken as time points" in volume.notes
    tifffile.imwrite(tmp_path / "t003.tif", stacks[0][:2])
    with pytest.raises(ValueError, match=r"t003\.tif holds uint8 of shape \(2, 6, 7\)"):
        open_volume(tmp_path).data[3]
