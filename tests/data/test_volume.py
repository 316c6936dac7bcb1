from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from helpers import RecordingArray
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.intensity_window import CT_WINDOWS, Window
from napari_promptseg.data.volume import PlaneImage, Volume

FLAT = Plane((None, None))


def test_axes_are_guessed_and_the_rest_filled_in() -> None:
    volume = Volume(np.zeros((4, 5, 6), np.uint8))
    assert (volume.axes, volume.names, volume.shape) == ("zyx", "zyx", (4, 5, 6))
    assert volume.spacing == (1.0, 1.0, 1.0)
    assert volume.channels is None
    np.testing.assert_array_equal(volume.affine, np.eye(4))


def test_the_affine_has_the_spacing_in_the_order_x_y_z() -> None:
    volume = Volume(np.zeros((2, 4, 5, 6)), "tzyx", (9.0, 3.0, 2.0, 1.0))
    np.testing.assert_array_equal(np.diag(volume.affine), [1.0, 2.0, 3.0, 1.0])
    assert [volume.axis_spacing(i) for i in range(4)] == [9.0, 3.0, 2.0, 1.0]


def test_a_given_affine_is_kept() -> None:
    affine = np.diag([-1.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    np.testing.assert_array_equal(Volume(np.zeros((4, 5, 6)), affine=affine).affine, affine)


def test_the_source_does_not_depend_on_the_folder_one_is_in(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Volume(np.zeros((4, 5)), source="a.npy").source == str(tmp_path / "a.npy")
    assert Volume(np.zeros((4, 5))).source is None


WRONG = {
    "list": ([[1, 2]], {}, "list"),
    "axes of another length": (np.zeros((4, 5)), {"axes": "zyx"}, r"'zyx'.*\(4, 5\)"),
    "unknown axes": (np.zeros((4, 5)), {"axes": "xy"}, "'xy'"),
    "no pixels": (np.zeros((0, 5)), {}, r"\(0, 5\)"),
    "no channel": (np.zeros((4, 5, 0)), {"axes": "yxc"}, "without pixels"),
    "complex": (np.zeros((4, 5), complex), {}, "complex128"),
    "words": (np.full((4, 5), "a"), {}, "<U1"),
    "spacing too short": (np.zeros((4, 5)), {"spacing": (1.0,)}, "1 entries"),
    "spacing of the channel": (np.zeros((4, 5, 3)), {"spacing": (1, 1, 1)}, "3 entries"),
    "spacing zero": (np.zeros((4, 5)), {"spacing": (0, 1)}, "positive"),
    "affine of a plane": (np.zeros((4, 5)), {"affine": np.eye(3)}, "4x4"),
    "affine nan": (np.zeros((4, 5)), {"affine": np.full((4, 4), math.nan)}, "finite"),
    "window": (np.zeros((4, 5)), {"window": "ct-toe"}, "'ct-toe'.*'ct-lung'"),
    "channels without channel axis": (np.zeros((4, 5)), {"channels": (0,)}, "'yx'"),
    "channel outside": (np.zeros((4, 5, 3)), {"channels": (0, 3)}, "0 to 2"),
    "channel below": (np.zeros((4, 5, 3)), {"channels": (-1,)}, "0 to 2"),
    "four channels": (np.zeros((4, 5, 4)), {"channels": (0, 1, 2, 3)}, "one to three"),
    "none of the channels": (np.zeros((4, 5, 3)), {"channels": ()}, "one to three"),
}


@pytest.mark.parametrize(("data", "options", "text"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(data, options, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Volume(data, **options)


# Reading


@pytest.mark.parametrize(
    ("axes", "index"),
    [
        ("zyx", (2, None, None)),
        ("zyx", (None, 2, None)),
        ("zyx", (None, None, 2)),
        ("tzyx", (1, 2, None, None)),
        ("tzyx", (1, None, 2, None)),
    ],
    ids=str,
)
def test_one_plane_is_read_and_nothing_else(axes: str, index, rng: np.random.Generator) -> None:
    values = rng.integers(0, 255, (2, 5, 6, 7)[-len(axes) :]).astype(np.uint8)
    data = RecordingArray(values)
    volume = Volume(data, axes)
    assert data.reads == []
    plane = volume.plane(Plane(index))
    expected = values[tuple(slice(None) if i is None else i for i in index)]
    np.testing.assert_array_equal(plane.values, expected)
    assert data.reads == [expected.size]


def test_the_window_of_a_large_volume_is_found_from_three_planes(rng) -> None:
    values = rng.normal(50, 5, (40, 30, 30)).astype(np.float32)
    data = RecordingArray(values)
    volume = Volume(data)
    window = volume.intensity_window
    assert len(data.reads) <= 3
    assert sum(data.reads) <= 3 * 900
    assert window.low == pytest.approx(np.percentile(values, 0.5), abs=2)
    assert window.high == pytest.approx(np.percentile(values, 99.5), abs=2)
    volume.plane(Plane((0, None, None))).rgb()
    volume.plane(Plane((1, None, None))).rgb()
    assert len(data.reads) <= 5, "the window is found once"


def test_a_dask_array_is_computed_one_block_at_a_time() -> None:
    da = pytest.importorskip("dask.array")
    computed: list[int] = []

    def block(part: np.ndarray, block_info=None) -> np.ndarray:
        computed.append(block_info[0]["chunk-location"][0])
        return part

    data = da.zeros((50, 8, 8), chunks=(1, 8, 8), dtype=np.uint8).map_blocks(
        block, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    plane = Volume(data).plane(Plane((7, None, None)))
    assert isinstance(plane.values, np.ndarray)
    assert computed == [7]


def test_a_zarr_array_is_read_chunk_by_chunk() -> None:
    zarr = pytest.importorskip("zarr")
    from zarr.storage import MemoryStore

    keys: list[str] = []

    class Recording(MemoryStore):
        async def get(self, key, *args, **kwargs):
            keys.append(key)
            return await super().get(key, *args, **kwargs)

    data = zarr.create_array(Recording(), shape=(50, 8, 8, 3), chunks=(1, 8, 8, 3), dtype="u1")
    data[7] = 9
    volume = Volume(data, "zyxc")
    keys.clear()
    assert (volume.plane(Plane((7, None, None))).values == 9).all()
    assert [key for key in keys if "c/" in key] == ["c/7/0/0/0"]


@pytest.mark.parametrize(
    ("count", "channels", "expected"),
    [
        (1, None, (0,)),
        (2, None, (0, 1)),
        (3, None, (0, 1, 2)),
        (4, None, (0, 1, 2)),
        (3, (2, 1, 0), (2, 1, 0)),
        (3, (1,), (1,)),
        (5, np.array([4, 0]), (4, 0)),
    ],
    ids=str,
)
def test_the_chosen_channels_are_read_in_the_chosen_order(count, channels, expected) -> None:
    values = np.arange(4 * 5 * count).reshape(4, 5, count).astype(np.uint8)
    volume = Volume(values, "yxc", channels=channels)
    assert volume.channels == expected
    np.testing.assert_array_equal(volume.read(FLAT), values[..., list(expected)])


# Looking


DTYPES = [np.bool_, np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda t: np.dtype(t).str)
@pytest.mark.parametrize("shape", [None, (7, 4), (40, 50)], ids=str)
def test_every_type_is_seen_alike(dtype: type, shape: tuple[int, int] | None) -> None:
    values = np.zeros((20, 24), dtype)
    values[:, 12:] = 1 if dtype == np.bool_ else 100
    window = None if dtype == np.bool_ else Window(0, 100)
    colors = Volume(values, window=window).plane(FLAT).rgb(shape)
    assert colors.dtype == np.float32
    assert colors.shape == (*(shape or values.shape), 3)
    np.testing.assert_allclose(colors[:, 0], 0, atol=1e-3)
    np.testing.assert_allclose(colors[:, -1], 1, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [None, (5, 9)], ids=str)
def test_channels_become_colors(count: int, shape: tuple[int, int] | None) -> None:
    values = np.zeros((10, 12, count), np.uint8)
    for channel in range(count):
        values[..., channel] = 60 * (channel + 1)
    colors = Volume(values, "yxc").plane(FLAT).rgb(shape)
    expected = {1: (60, 60, 60), 2: (60, 120, 0)}.get(count, (60, 120, 180))
    np.testing.assert_allclose(
        colors, np.broadcast_to(np.array(expected) / 255, colors.shape), 1e-5
    )


def test_a_hole_of_nan_is_black_and_harms_nothing_else() -> None:
    values = np.tile(np.linspace(0, 10, 30, dtype=np.float32), (30, 1))
    values[4:8, 4:8] = math.nan
    values[20, 20] = math.inf
    values[21, 21] = -math.inf
    volume = Volume(values)
    assert 0 <= volume.intensity_window.low < volume.intensity_window.high <= 10
    colors = volume.plane(FLAT).rgb()
    assert np.isfinite(colors).all()
    assert (colors[4:8, 4:8] == 0).all()
    assert (colors[20, 20] == 1).all()
    assert (colors[21, 21] == 0).all()
    assert np.isfinite(volume.plane(FLAT).rgb((10, 10))).all()


@pytest.mark.parametrize("value", [math.nan, 0.0, 1e20], ids=str)
def test_a_volume_of_one_value_is_black(value: float) -> None:
    volume = Volume(np.full((3, 8, 8), value))
    assert not volume.plane(Plane((1, None, None))).rgb().any()


@pytest.mark.parametrize(
    ("values", "window"),
    [
        (np.array([[0, 7]], np.uint8), Window(0, 255)),
        (np.array([[False, True]]), Window(0, 1)),
        (np.array([[-1000, 400]], np.int16), CT_WINDOWS["ct-abdomen"]),
        (np.array([[-1000.0, 400.0]], np.float32), CT_WINDOWS["ct-abdomen"]),
        (np.array([[-1000, 9000]], np.int16), None),
        (np.array([[0, 4000]], np.uint16), None),
    ],
    ids=["uint8", "bool", "ct", "ct as float", "too bright for ct", "uint16"],
)
def test_the_window_goes_by_the_kind_of_data(values: np.ndarray, window: Window | None) -> None:
    intensity_window = Volume(values).intensity_window
    if window is None:
        assert intensity_window not in CT_WINDOWS.values()
        assert values.min() <= intensity_window.low < intensity_window.high <= values.max()
    else:
        assert intensity_window == window


def test_a_chosen_window_wins_and_can_be_named() -> None:
    values = np.zeros((4, 5), np.uint8)
    assert Volume(values, window=Window(3, 4)).intensity_window == Window(3, 4)
    assert Volume(values, window="ct-lung").intensity_window == CT_WINDOWS["ct-lung"]


def test_a_crop_is_the_same_picture(rng: np.random.Generator) -> None:
    image = PlaneImage(rng.integers(0, 255, (30, 40)).astype(np.uint8), Window(0, 255), (2.0, 1.0))
    part = image.crop((5, 20), (10, 40))
    assert part.shape == (15, 30)
    assert part.spacing == (2.0, 1.0)
    assert part.values.base is image.values
    np.testing.assert_array_equal(part.rgb(), image.rgb()[5:20, 10:40])


def test_a_plane_knows_the_spacing_of_its_rows_and_columns() -> None:
    volume = Volume(np.zeros((4, 5, 6), np.uint8), "zyx", (3.0, 2.0, 1.0))
    assert volume.plane(Plane((0, None, None))).spacing == (2.0, 1.0)
    assert volume.plane(Plane((None, 0, None))).spacing == (3.0, 1.0)
    assert volume.plane(Plane((None, None, 0))).spacing == (3.0, 2.0)


def test_a_volume_travels_to_another_process_with_what_was_stated():
    volume = Volume(np.zeros((3, 4, 5)), "zyx", (2, 1, 1), notes=["a guess"])
    again = pickle.loads(pickle.dumps(volume))
    assert (again.provenance, again.notes) == ({"spacing": "caller"}, ("a guess",))
    assert again.states("spacing")
    assert not again.states("spacing", "position")


def test_fingerprints_are_those_by_which_saved_sessions_know_their_image():
    small = np.arange(5 * 7 * 9, dtype=np.int16).reshape(5, 7, 9)
    assert Volume(small, "zyx").fingerprint() == "6b55bc2944a9012eb102a65136bfd300"
    # A plane of 72 million pixels, of which three squares are read; none of it is in memory.
    line = (np.arange(7 * 9000 + 8000) % 251).astype(np.uint8)
    large = Volume(as_strided(line, (3, 9000, 8000), (0, 7, 1)), "zyx")
    assert large.is_large(Plane((1, None, None)))
    assert large.fingerprint() == "69c903b4600eb3f5ff85062159fc2de7"
