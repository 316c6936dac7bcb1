from __future__ import annotations

import builtins

import imageio.v3 as iio
import numpy as np
import pytest

from napari_promptseg import open_volume

pytest.importorskip("av", reason="video needs the extra napari-promptseg[video]")

COUNT = 90
KINDS = [(".mp4", "libx264"), (".mkv", "libx264"), (".mov", "mpeg4"), (".avi", "libx264")]


def frames():
    """Each frame tells its number by a bright bar."""
    values = np.zeros((COUNT, 48, 2 * COUNT, 3), np.uint8)
    for i in range(COUNT):
        values[i, :, 2 * i : 2 * i + 2] = 255
    return values


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind[0])
def film(request, tmp_path_factory):
    suffix, codec = request.param
    path = tmp_path_factory.mktemp("film") / f"a{suffix}"
    iio.imwrite(path, frames(), plugin="pyav", codec=codec, fps=25)
    return path


def number(frame):
    return int(frame[..., 1].mean(0).argmax()) // 2


def test_frames_come_by_number_in_any_order(film):
    volume = open_volume(film)
    assert (volume.axes, volume.data.shape) == ("tyxc", (COUNT, 48, 2 * COUNT, 3))
    assert volume.data.dtype == np.uint8
    for i in (0, 1, 5, 80, 79, 40, 12, 89, 0):
        volume.data._cache.clear()
        assert number(volume.data[i]) == i
    assert [number(frame) for frame in volume.data[::-1]] == list(range(COUNT))[::-1]


def test_frames_look_as_they_were(film):
    frame = open_volume(film).data[30].astype(int)
    assert np.abs(frame - frames()[30]).mean() < 12


def test_truncated_video_is_named(film):
    content = film.read_bytes()
    path = film.with_name(f"cut{film.suffix}")
    path.write_bytes(content[:60])
    with pytest.raises(ValueError, match=r"cannot read .*cut"):
        open_volume(path)


def test_missing_extra_is_named(film, monkeypatch):
    original_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "av":
            raise ImportError("No module named 'av'")
        return original_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'napari-promptseg\[video\]'"):
        open_volume(film)


def test_a_rotated_film_is_upright(tmp_path):
    import av

    values = np.zeros((4, 48, 64, 3), np.uint8)
    values[:, :16, :16] = 255
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in values:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(value, format="rgb24")))
        container.mux(stream.encode(None))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    # The matrix of the track header: 90 degrees clockwise.
    unit = (1 << 16).to_bytes(4, "big")
    zero, minus = bytes(4), (-(1 << 16)).to_bytes(4, "big", signed=True)
    upright = unit + zero * 3 + unit + zero * 3
    at = content.index(upright, content.index(b"tkhd"))
    content[at : at + 32] = zero + unit + zero + minus + zero * 4
    (tmp_path / "a.mp4").write_bytes(content)
    cv2 = pytest.importorskip("cv2")
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    frame = capture.read()[1]
    volume = open_volume(tmp_path / "a.mp4")
    assert volume.shape == (4, 64, 48)
    assert frame.shape == (64, 48, 3)
    assert np.abs(np.asarray(volume.data[0]).astype(int) - frame).mean() < 3


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_grey_keeps_its_bits(tmp_path, bits):
    import av

    values = np.random.default_rng(0).integers(0, 2**bits - 1, (3, 16, 32)).astype(np.uint16)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, f"gray{bits}le"
        for value in values:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(value, format=f"gray{bits}le")))
        container.mux(stream.encode(None))
    volume = open_volume(tmp_path / "a.mkv")
    assert (volume.axes, volume.data.dtype) == ("tyx", np.uint16)
    np.testing.assert_array_equal(np.asarray(volume.data), values)
