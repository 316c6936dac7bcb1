"""Committed objects as neighbors that the active object does not run into."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import FOR_ANY_BACKEND, ScriptedBackend, ToyBackend, bright, ellipsoid
from napari_promptseg import Session
from napari_promptseg.data.geometry import Crop
from napari_promptseg.data.plane_prompts import PixelMask, PlanePrompts, Stroke
from napari_promptseg.data.prompts import MaskPrompt
from napari_promptseg.models.encoding.prompt_maps import excluded_pixels
from napari_promptseg.session.persistence.header import Header

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.data.volume import PlaneImage

SHAPE = (50, 70)
BLOB = ellipsoid(SHAPE, (25, 35), (15, 25))
"""One bright thing, of which the left half is committed."""
LEFT = BLOB & (np.arange(70) < 30)


@pytest.fixture
def session() -> Session:
    session = Session(bright(BLOB), ToyBackend())
    session.add_labels(LEFT.astype(np.uint8))
    return session


def test_an_answer_leaves_committed_pixels_out(session: Session) -> None:
    session.add_point((25, 50))
    np.testing.assert_array_equal(session.mask, BLOB & ~LEFT)
    session.add_point((20, 45))
    np.testing.assert_array_equal(session.mask, BLOB & ~LEFT)


def test_a_click_on_a_committed_object_takes_from_it(session: Session) -> None:
    session.add_point((25, 20))
    np.testing.assert_array_equal(session.mask, BLOB)
    assert session.commit(overwrite=True) == 2
    assert set(np.unique(session.labels)) == {0, 2}


def test_the_model_is_told_of_the_nearest_neighbors() -> None:
    calls: list[PlanePrompts] = []

    def answer(image: PlaneImage, prompts: PlanePrompts, prior: object) -> np.ndarray:
        calls.append(prompts)
        return np.ones(image.shape)

    labels = np.zeros((90, 180), np.uint8)
    for number in range(8):
        labels[5:15, 14 * number + 2 : 14 * number + 10] = number + 1
    session = Session(np.zeros(labels.shape, np.uint8), ScriptedBackend(answer))
    session.add_labels(labels)
    session.add_point((40, 20))
    places = [tuple(stroke.path[0]) for stroke in calls[0].neighbors]
    assert len(places) == 4
    assert [labels[round(r), round(c)] for r, c in places] == [2, 3, 1, 4]
    assert not any(stroke.positive for stroke in calls[0].neighbors)
    assert not session.mask[labels > 0].any()
    session.discard()
    for label in range(1, 9):  # what is large is seen without help
        session.grow(label, distance=6)
    session.add_point((40, 20))
    assert calls[-1].neighbors == ()
    assert not session.mask[session.labels > 0].any()


def test_the_setting_is_a_step_of_undo(session: Session) -> None:
    assert session.neighbors
    session.neighbors = False
    session.add_point((25, 50))
    np.testing.assert_array_equal(session.mask, BLOB)
    session.neighbors = False  # no change, no step
    assert session.history[-2:] == ("neighbors", "add point")
    session.undo()
    session.undo()
    assert session.neighbors
    session.redo()
    assert not session.neighbors


def test_the_setting_is_saved_and_recovered(session: Session, tmp_path: Path) -> None:
    session.keep_journal(tmp_path / "journal")
    session.neighbors = False
    session.save(tmp_path / "a.promptseg")
    session.end_journal()
    for loaded in (
        Session.load(tmp_path / "a.promptseg", backend=ToyBackend()),
        Session.recover(tmp_path / "journal", backend=ToyBackend()),
    ):
        assert not loaded.neighbors
        assert loaded.undo()
        assert loaded.neighbors
        loaded.add_point((25, 50))
        assert loaded.verify().different == ()


def test_sessions_of_earlier_versions_go_on_without(session: Session, tmp_path: Path) -> None:
    assert not Header.model_fields["neighbors"].default
    session.save(tmp_path / "a.promptseg")
    assert Session.load(tmp_path / "a.promptseg", backend=ToyBackend()).neighbors


def test_masks_are_taken_as_they_are(session: Session) -> None:
    session.add_mask(BLOB)
    assert isinstance(session.prompts[0], MaskPrompt)
    np.testing.assert_array_equal(session.mask, BLOB)


@pytest.mark.parametrize("propagator", FOR_ANY_BACKEND)
def test_propagation_leaves_committed_pixels_out(propagator: str) -> None:
    whole = ellipsoid((9, *SHAPE), (4, 25, 35), (6, 15, 25))
    left_half = whole & (np.arange(70) < 30)
    session = Session(bright(whole), ToyBackend(), propagator=propagator)
    session.add_labels(left_half.astype(np.uint8))
    session.add_point((4, 25, 50))
    session.propagate().run()
    assert session.mask[2].any()
    assert not (session.mask & left_half).any()


def test_planes_are_propagated_anew_after_the_setting_changed() -> None:
    whole = ellipsoid((9, *SHAPE), (4, 25, 35), (6, 15, 25))
    left_half = whole & (np.arange(70) < 30)
    session = Session(bright(whole), ToyBackend(), propagator="chain")
    session.add_labels(left_half.astype(np.uint8))
    session.add_point((4, 25, 50))
    session.propagate().run()
    assert not list(session.propagate())
    session.neighbors = False
    session.propagate().run()
    assert (session.mask[3] & left_half[3]).any()


def test_pixels_move_and_scale_with_the_prompts() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:9, 12:20] = True
    click = Stroke(np.array([[6.0, 15.0]]))
    prompts = PlanePrompts((click,), occupied=PixelMask(mask))
    part = prompts.cropped(Crop((3, 15), (10, 28)))
    np.testing.assert_array_equal(excluded_pixels(part, (12, 18)), mask[3:15, 10:28])
    double = prompts.mapped(2.0, 0.5)
    np.testing.assert_array_equal(excluded_pixels(double, (40, 60)), mask.repeat(2, 0).repeat(2, 1))
    mirrored = prompts.mapped((1, -1), (0, 29))
    np.testing.assert_array_equal(excluded_pixels(mirrored, (20, 30)), mask[:, ::-1])
    coarse = replace(prompts, occupied=PixelMask(mask[::2, ::2], (2.0, 2.0)))
    assert excluded_pixels(coarse, (20, 30))[6, 15]
