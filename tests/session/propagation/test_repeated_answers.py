"""Planes that a propagation answers more than once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from helpers import ToyBackend, make_scene, packed_cells
from napari_promptseg.measure.overlap import dice
from napari_promptseg.propagation.baselines import Copy
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from napari_promptseg.propagation.base import PlanePrediction, Stack


def test_planes_that_are_answered_again_say_so_and_are_one_step_of_undo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill = Copy.fill

    def fill_twice(self: Copy, stack: Stack) -> Iterator[PlanePrediction]:
        first = list(fill(self, stack))
        yield from (replace(step, mask=np.zeros_like(step.mask)) for step in first)
        yield from first

    monkeypatch.setattr(Copy, "fill", fill_twice)
    scene = make_scene("zyx")
    session = Session(scene.data, ToyBackend(), axes="zyx", propagator="copy")
    session.add_point(scene.centre)
    clicked = session.mask.copy()
    results = list(session.propagate())
    planes = len(results) // 2
    assert [result.again for result in results] == [False] * planes + [True] * planes
    assert [result.done for result in results[planes:]] == [planes] * planes
    assert session.mask.any((1, 2)).all()
    session.undo()
    np.testing.assert_array_equal(session.mask, clicked)


def test_a_cell_of_packed_tissue_is_followed_by_its_membranes() -> None:
    image, labels = packed_cells((24, 64, 80), 24)
    truth = labels == labels[12, 32, 40]
    session = Session(image, "clicknet", axes="zyx")
    middle = np.argwhere(truth[12]).mean(0).round().astype(int).tolist()
    session.add_point((12, *middle))
    results = list(session.propagate())
    assert any(result.again for result in results)
    assert dice(session.mask, truth) > 0.95
