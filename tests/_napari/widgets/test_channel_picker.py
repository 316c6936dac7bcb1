"""Channels of an image: chosen once, and remembered."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_promptseg._napari.widgets.channel_picker import ChannelPicker, remember, remembered


@pytest.fixture
def channels(blobs):
    """The object is in channel 3 alone."""
    data = np.zeros((4, *blobs.shape), np.uint8)
    data[3] = blobs
    return data


def test_a_choice_is_asked_for_seen_by_the_model_and_remembered(bench, channels) -> None:
    b = bench(channels, axis_labels=("c", "z", "y", "x"))
    button = b.dock.images.channels
    assert b.controller.volume.channels == (0, 1, 2)
    assert button.text() == "Choose channels (0, 1, 2)"
    for channel in (0, 3, 1, 2):
        button.menu().actions()[channel].trigger()
    b.wait()
    assert button.text() == "Channels 3"
    assert not button.menu().actions()[3].isEnabled(), "one stays"
    b.click((3, 5, 15, 15))
    assert b.controller.session.volume.channels == (3,)
    assert b.controller.session.mask[5, 8:24, 8:28].all()
    b.image.name = "first"
    again = b.viewer.add_image(channels, name="second", axis_labels=("c", "z", "y", "x"))
    b.dock.images.choose(again)
    b.wait()
    assert b.layer_sync.image is again
    assert b.controller.volume.channels == (3,)


def test_an_image_without_channels_has_no_button(bench, blobs) -> None:
    assert not bench(blobs).dock.images.channels.isVisible()


def test_what_is_remembered_goes_by_the_number_of_channels() -> None:
    assert remembered(4) is None
    remember(4, (2, 3))
    remember(2, (1,))
    assert (remembered(4), remembered(2), remembered(3)) == ((2, 3), (1,), None)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"4": [7]}', '{"4": "x"}', '{"4": []}'])
def test_a_damaged_file_asks_again(text) -> None:
    folder = Path(os.environ["PROMPTSEG_CONFIG"])
    folder.mkdir(parents=True)
    (folder / "channels.json").write_text(text)
    assert remembered(4) is None
    remember(4, (1,))
    assert remembered(4) == (1,)


def test_three_at_most(qtbot) -> None:
    button = ChannelPicker()
    qtbot.addWidget(button)
    button.show_channels(5, (0, 1))
    choices = []
    button.channels_changed.connect(choices.append)
    actions = button.menu().actions()
    actions[4].trigger()
    assert choices == [(0, 1, 4)]
    assert [a.isEnabled() for a in actions] == [True, True, False, False, True]
