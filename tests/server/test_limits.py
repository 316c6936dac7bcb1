"""Limits of one message: what is just allowed, and what is one too many."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from napari_promptseg.data.prompts import LassoPrompt, PointPrompt, ScribblePrompt
from napari_promptseg.remote.calls import Request
from napari_promptseg.remote.protocol import PlaneQuestion
from napari_promptseg.server.limits import check_strokes, check_work, message_cost

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


def test_strokes_paint_a_hundred_times_the_plane_or_100_million_pixels() -> None:
    # Each paints (100 + 1) * 1 pixels of a small plane, or its width of them of a large one.
    line = [((0.0, 0.0), (0.0, 100.0)), 1.0]
    check_strokes([line] * 990_099, (200, 300))
    with pytest.raises(ValueError, match="would paint 100000100 pixels; valid: 100000000"):
        check_strokes([line] * 990_100, (200, 300))
    wide = [((0.0, 0.0), (0.0, 1000.0)), 1000.0]
    check_strokes([wide] * 60, (7, 1000, 1200))
    with pytest.raises(ValueError, match="valid: 120000000"):
        check_strokes([wide] * 61, (7, 1000, 1200))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Request, {"id": 1, "call": {"do": "add", "prompts": [[1.25]] * 900}}),
        (Request, {"id": 1, "call": {"do": "add", "prompts": [{"kind": "lasso"}] * 900}}),
        (PlaneQuestion, {"strokes": [{"path": [["a", "b"]] * 900}] * 9}),
    ],
)
def test_the_first_fault_of_a_long_message_ends_its_reading(model, message) -> None:
    with pytest.raises(ValidationError) as failure:
        model.model_validate_json(json.dumps(message))
    assert failure.value.error_count() <= 3


def test_a_message_of_many_values_counts_as_many_requests() -> None:
    assert message_cost(2**20, 0) == 1
    assert message_cost(0, 5000) == 5
