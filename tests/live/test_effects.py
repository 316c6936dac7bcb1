"""Every effect, to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_promptseg.live.effects import COLORS, EFFECTS, apply_effect

RNG = np.random.default_rng(0)
FRAME = RNG.integers(0, 256, (60, 80, 3), np.uint8)
OBJECTS = np.zeros((60, 80), np.uint8)
OBJECTS[10:30, 10:40] = 1
OBJECTS[25:50, 50:70] = 2
INSIDE = OBJECTS > 0


@pytest.mark.parametrize("name", EFFECTS)
def test_frames_and_masks_stay_as_they_are(name) -> None:
    frame, objects = FRAME.copy(), OBJECTS.copy()
    out = apply_effect(name, frame, objects)
    assert (out.shape, out.dtype) == (FRAME.shape, np.uint8)
    assert out is not frame
    np.testing.assert_array_equal(frame, FRAME)
    np.testing.assert_array_equal(objects, OBJECTS)


@pytest.mark.parametrize("name", ["none", "cutout", "blur", "grey", "spotlight"])
def test_objects_are_untouched_by_what_changes_the_background(name) -> None:
    np.testing.assert_array_equal(apply_effect(name, FRAME, OBJECTS)[INSIDE], FRAME[INSIDE])


def test_backgrounds() -> None:
    assert (apply_effect("cutout", FRAME, OBJECTS)[~INSIDE] == 255).all()
    np.testing.assert_array_equal(apply_effect("none", FRAME, OBJECTS), FRAME)
    grey = apply_effect("grey", FRAME, OBJECTS)[~INSIDE]
    expected = cv2.cvtColor(FRAME, cv2.COLOR_RGB2GRAY)[~INSIDE]
    np.testing.assert_array_equal(grey, np.repeat(expected[:, None], 3, 1))
    dark = apply_effect("spotlight", FRAME, OBJECTS)[~INSIDE]
    np.testing.assert_array_equal(dark, np.rint(0.3 * FRAME[~INSIDE]).astype(np.uint8))


def test_a_blur_has_no_colors_of_the_objects() -> None:
    frame = np.full((60, 80, 3), 50, np.uint8)
    frame[INSIDE] = (255, 0, 0)
    out = apply_effect("blur", frame, OBJECTS)
    assert np.abs(out[~INSIDE].astype(int) - 50).max() <= 1
    noise = apply_effect("blur", FRAME, np.zeros_like(OBJECTS))
    assert noise.std() < FRAME.std() / 4
    assert np.abs(noise.mean() - FRAME.mean()) < 2


def test_recolored_objects_keep_light_and_dark() -> None:
    frame = np.repeat(np.arange(0, 240, 3, dtype=np.uint8)[None, :, None], 60, 0).repeat(3, 2)
    out = apply_effect("recolor", frame, OBJECTS)
    np.testing.assert_array_equal(out[~INSIDE], frame[~INSIDE])
    for number in (1, 2):
        inside = number == OBJECTS
        value = frame[inside][:, :1].astype(np.float64)
        expected = 0.45 * value + 0.55 * value / 255 * np.array(COLORS[number - 1])
        assert np.abs(out[inside] - expected).max() <= 0.51


def test_outlines_lie_inside_of_their_objects() -> None:
    out = apply_effect("outline", FRAME, OBJECTS)
    difference = (out != FRAME).any(2)
    line = np.zeros_like(INSIDE)
    line[10:30, 10:40] = True
    line[12:28, 12:38] = False
    line[25:50, 50:70] = True
    line[27:48, 52:68] = False
    np.testing.assert_array_equal(difference, line)
    assert (out[(OBJECTS == 1) & line] == COLORS[0]).all()
    assert (out[(OBJECTS == 2) & line] == COLORS[1]).all()


@given(st.sampled_from(list(EFFECTS)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3))
def test_frames_of_any_size(name, height, width, number) -> None:
    objects = np.full((height, width), number, np.uint8)
    out = apply_effect(name, np.zeros((height, width, 3), np.uint8), objects)
    assert out.shape == (height, width, 3)


def test_other_effects_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown effect 'sepia'; valid: "):
        apply_effect("sepia", FRAME, OBJECTS)
