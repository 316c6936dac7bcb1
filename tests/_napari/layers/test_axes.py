from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg._napari.layers.axes import LayerAxes, axes_choices, guess_layer_axes


@pytest.mark.parametrize(
    ("shape", "rgb", "labels", "axes"),
    [
        ((5, 6), False, (), "yx"),
        ((5, 6, 3), True, (), "yxc"),
        ((5, 6, 3), False, (), "yxc"),
        ((9, 5, 6), False, (), "zyx"),
        ((9, 5, 6), False, ("t", "y", "x"), "tyx"),
        ((9, 5, 6), False, ("Time", "Y", "X"), "tyx"),
        ((9, 5, 6), False, ("axis 0", "axis 1", "axis 2"), "zyx"),
        ((2, 9, 5, 6), False, (), "czyx"),
        ((9, 2, 5, 6), False, (), "zcyx"),
        ((8, 9, 5, 6), False, (), "tzyx"),
        ((7, 2, 9, 5, 6), False, (), "tczyx"),
        ((7, 9, 5, 6, 3), True, (), "tzyxc"),
    ],
)
def test_guess(shape, rgb, labels, axes):
    assert guess_layer_axes(shape, rgb, labels) == axes
    assert axes in axes_choices(len(shape) - rgb, rgb)


def test_what_the_reader_left_wins_and_nonsense_does_not():
    assert guess_layer_axes((9, 5, 6), False, ("z", "y", "x"), {"axes": "tyx"}) == "tyx"
    assert guess_layer_axes((9, 5, 6), False, (), {"axes": "tzyx"}) == "zyx"


def test_too_many_dimensions_are_refused():
    with pytest.raises(ValueError, match="images of 6 dimensions"):
        axes_choices(6, False)


class Lazy:
    """Can be indexed, and nothing else."""

    def __init__(self, values: np.ndarray) -> None:
        self._values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, index):
        return self._values[index]


@pytest.mark.parametrize("axes", ["cyx", "czyx", "zcyx", "tczyx", "yxc"])
@pytest.mark.parametrize("kind", [np.asarray, Lazy])
def test_channels_go_last_without_reading(axes, kind):
    shape = {"c": 2, "t": 3, "z": 4, "y": 5, "x": 6}
    values = np.arange(np.prod([shape[a] for a in axes])).reshape([shape[a] for a in axes])
    layout = LayerAxes(axes)
    volume = layout.volume_data(kind(values))
    assert layout.volume_axes == axes.replace("c", "") + "c"
    expected = np.moveaxis(values, axes.index("c"), -1)
    assert volume.shape == expected.shape
    index = (*(1,) * (len(axes) - 3), slice(None), slice(None))
    assert np.array_equal(volume[index], expected[index])
    if kind is np.asarray:
        assert np.shares_memory(volume, values)


@pytest.mark.parametrize(
    ("axes", "shared_dims", "at"),
    [
        ("zyx", (0, 1, 2), (7.0, 8.0, 9.0)),
        ("czyx", (1, 2, 3), (7.0, 8.0, 9.0)),
        ("zcyx", (0, 1, 2, 3), (7.0, 0.0, 8.0, 9.0)),
    ],
)
def test_layers_beside_an_image(axes, shared_dims, at):
    layout = LayerAxes(axes)
    assert layout.shared_dims == shared_dims
    assert layout.to_layer((7, 8, 9)) == at
    assert layout.to_volume(at) == (7, 8, 9)
    assert layout.expand(np.zeros((2, 3, 4))).ndim == len(shared_dims)
    whole = [5.0] * len(axes)
    assert layout.from_image(whole) == (5.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ("axes", "displayed", "normal"),
    [
        ("yx", (0, 1), None),
        ("tyx", (1, 2), None),
        ("zyx", (1, 2), "z"),
        ("zyx", (2, 0), "y"),
        ("czyx", (1, 3), "y"),
        ("tzyx", (1, 2), "x"),
    ],
)
def test_normal_of_a_view(axes, displayed, normal):
    assert LayerAxes(axes).shown_normal(displayed) == normal


@pytest.mark.parametrize(
    ("axes", "displayed"), [("tyx", (0, 2)), ("czyx", (0, 3)), ("zyx", (-1, 2))]
)
def test_views_without_a_plane(axes, displayed):
    with pytest.raises(ValueError, match="must show two of the axes"):
        LayerAxes(axes).shown_normal(displayed)
