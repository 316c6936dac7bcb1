"""Limits of one message: what is just allowed, and what is one too many."""

from __future__ import annotations

import pytest

from napari_promptseg.data.prompts import LassoPrompt, PointPrompt, ScribblePrompt
from napari_promptseg.server.limits import check_work

SHAPE = (5, 40, 60)
POINT = PointPrompt((1.0, 2.0, 3.0))


def test_an_object_may_have_5000_prompts() -> None:
    check_work([POINT], 4999, SHAPE)
    check_work([POINT] * 5000, 0, SHAPE)
    with pytest.raises(ValueError, match=r"would have 5001 prompts; valid: 5000"):
        check_work([POINT], 5000, SHAPE)


@pytest.mark.parametrize("kind", [ScribblePrompt, LassoPrompt])
def test_a_path_may_have_10000_vertices(kind) -> None:
    path = [(1.0, 2.0, 3.0)] * 10_000
    check_work([kind(tuple(path))], 0, SHAPE)
    with pytest.raises(ValueError, match="10001 vertices"):
        check_work([kind((*path, path[0]))], 0, SHAPE)
