from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg._napari.quality import plane_warnings
from napari_promptseg.core.geometry import Plane
from napari_promptseg.core.prompts import Point


def _mask(*blocks):
    mask = np.zeros((40, 50), bool)
    for rows, columns in blocks:
        mask[slice(*rows), slice(*columns)] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "positive", "said"),
    [
        (_mask(((5, 15), (5, 15))), True, ()),
        (_mask(), True, ("nothing was found here: add a click or a box",)),
        (_mask(((0, 15), (5, 15))), True, ("the object touches the border",)),
        (_mask(((5, 15), (5, 15)), ((20, 30), (20, 30))), True, ("2 separate pieces",)),
        (_mask(((5, 15), (5, 15)), ((20, 21), (20, 21))), True, ()),
        (_mask(((20, 30), (20, 30))), True, ("a positive click lies outside of the mask",)),
        (_mask(((20, 30), (20, 30))), False, ()),
        (_mask(((1, 38), (1, 48))), True, ("the mask fills more than half of the plane",)),
    ],
)
def test_warnings(mask, positive, said):
    prompts = [Point((3, 10.4, 9.6), positive)]
    assert plane_warnings(mask, prompts, Plane((3, None, None))) == said
