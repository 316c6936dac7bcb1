from __future__ import annotations

import numpy as np

from helpers import ellipsoid, plane_image
from napari_promptseg.propagation.appearance import Appearance

MASK = ellipsoid((40, 50), (20, 25), (10, 12))


def colored(inside: tuple[int, int, int]) -> np.ndarray:
    values = np.full((*MASK.shape, 3), 30, np.uint8)
    values[MASK] = inside
    return values


def test_an_object_fits_itself_and_no_other_color() -> None:
    look = Appearance.of(plane_image(colored((200, 40, 40))), MASK)
    target_mask = np.roll(MASK, 6, 1)
    assert look.matches(plane_image(np.roll(colored((205, 45, 35)), 6, 1)), target_mask)
    assert not look.matches(plane_image(colored((40, 200, 40))), MASK)


def test_nothing_fits_nothing() -> None:
    look = Appearance.of(plane_image(colored((200, 40, 40))), MASK)
    assert not look.matches(plane_image(colored((200, 40, 40))), np.zeros_like(MASK))


def test_grey_planes_have_an_appearance_too() -> None:
    grey = plane_image(np.where(MASK, 180, 20).astype(np.uint8))
    assert Appearance.of(grey, MASK).matches(grey, MASK)
