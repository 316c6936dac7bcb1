"""Propagation as a session does it: along which axis, what is kept, and one step of undo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import FOR_ANY_BACKEND, ScriptedBackend, Snapshot, ToyBackend, make_scene
from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.session import predictor
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.propagation.base import PlanePrediction, Stack

STACKS = ("zyx", "tyx", "zyxc", "tyxc")


def open_(axes: str, backend=None) -> tuple[Session, np.ndarray]:
    scene = make_scene(axes)
    return Session(scene.data, backend or ToyBackend(), axes=axes), scene.truth


@pytest.mark.parametrize("axes", STACKS)
def test_one_click_fills_a_volume_or_a_video(axes: str) -> None:
    scene = make_scene(axes)
    session, truth = open_(axes)
    session.add_point(scene.centre)
    session.propagate().run()
    np.testing.assert_array_equal(session.mask, truth)


@pytest.mark.parametrize("axes", ["tzyx", "tzyxc"])
def test_a_series_is_filled_along_z_in_its_time_point(axes: str) -> None:
    scene = make_scene(axes)
    session, truth = open_(axes)
    session.add_point(scene.centre)
    session.propagate().run()
    np.testing.assert_array_equal(session.mask[1], truth[1])
    assert not session.mask[[0, 2]].any()


def test_a_series_is_filled_along_t_where_asked() -> None:
    scene = make_scene("tzyx")
    session, truth = open_("tzyx")
    session.add_point(scene.centre)
    session.propagate(axis="t").run()
    np.testing.assert_array_equal(session.mask[:, 4], truth[:, 4])
    assert not session.mask[:, :4].any()


def test_several_time_points_are_filled_each_from_its_own_clicks() -> None:
    session, truth = open_("tzyx")
    session.add_point((0, 4, 11, 14))
    session.add_point((2, 5, 11, 14))
    results = list(session.propagate())
    np.testing.assert_array_equal(session.mask[[0, 2]], truth[[0, 2]])
    assert not session.mask[1].any()
    assert results[-1].total == 16
    assert {r.plane.index[0] for r in results} == {0, 2}


@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_sagittal_click_goes_along_its_own_normal(axis: str) -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14), axis=axis)
    session.propagate().run()
    assert truth[session.mask].all()
    assert session.mask.sum() > 0.9 * truth.sum(), "all but the tips"


def test_an_image_has_nowhere_to_go() -> None:
    session, _ = open_("yx")
    session.add_point((11, 14))
    with pytest.raises(ValueError, match=r"axes 'yx'; valid axes: \[\]"):
        session.propagate()


@pytest.mark.parametrize("axes", STACKS)
def test_without_a_prompt_there_is_nothing_to_propagate(axes: str) -> None:
    session, _ = open_(axes)
    with pytest.raises(ValueError, match="no plane has a prompt"):
        session.propagate()


@pytest.mark.parametrize(("start", "stop"), [(None, 6), (3, None), (2, 7), (6, 8)], ids=str)
def test_only_the_range_is_filled(start: int | None, stop: int | None) -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate(start, stop).run()
    expected = np.zeros_like(truth)
    inside = slice(start, stop)
    expected[inside] = truth[inside]
    expected[4] = truth[4]
    np.testing.assert_array_equal(session.mask, expected)


# Laziness and cancelling


def test_nothing_runs_before_the_first_plane_is_asked_for(toy: ToyBackend) -> None:
    session, _ = open_("zyx", toy)
    session.add_point((4, 11, 14))
    looks = len(toy.looks)
    session.propagate()
    assert len(toy.looks) == looks


USES = {
    "mask": lambda s: s.mask,
    "labels": lambda s: s.labels,
    "undo": lambda s: (s.undo(), s.redo()),
    "add": lambda s: (s.add_point((4, 11, 14)), s.undo()),
    "commit": lambda s: (s.commit(), s.undo()),
    "propagate again": lambda s: s.propagate().run(),
    "close": lambda s: s.close(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_nobody_iterates_is_done_when_the_session_is_next_used(use) -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate()
    use(session)
    np.testing.assert_array_equal(session.mask, truth)
    assert session.history[:2] == ("add point", "propagate")


def test_results_tell_plane_box_and_progress() -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    results = list(session.propagate())
    assert [r.done for r in results] == list(range(1, len(results) + 1))
    assert {r.total for r in results} == {8}
    for result in results:
        assert result.box is not None
        (z,) = (entry for entry in result.plane.index if entry is not None)
        inside = np.zeros_like(truth)
        inside[box_slices(result.box)] = True
        assert not (truth[z] & ~inside[z]).any()
        assert 0 <= result.confidence <= 1


@pytest.mark.parametrize("way", ["break", "cancel", "with", "error"])
@pytest.mark.parametrize("count", [1, 3])
def test_leaving_early_keeps_what_is_done_as_one_step(way: str, count: int) -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    before = Snapshot.of(session)
    propagation = session.propagate()
    if way == "with":
        with propagation:
            for _ in range(count):
                next(propagation)
    elif way == "error":
        propagation._steps = _failing(propagation._steps, count)
        with pytest.raises(RuntimeError, match="unplugged"):
            propagation.run()
        assert propagation.finished
        assert session.history == ("add point", "propagate"), "at once"
    else:
        for _ in range(count):
            next(propagation)
        if way == "cancel":
            propagation.cancel()
    done = Snapshot.of(session)
    np.testing.assert_array_equal(done.mask, truth & done.mask)
    assert done.mask.any((1, 2)).sum() == 1 + count
    assert session.undo()
    assert Snapshot.of(session) == before
    assert session.redo()
    assert Snapshot.of(session) == done
    assert session.history == ("add point", "propagate")
    assert list(propagation) == [], "it has ended"


def _failing(steps, count: int):
    for _ in range(count):
        yield next(steps)
    raise RuntimeError("unplugged")


def test_a_cancelled_propagation_that_did_nothing_is_no_step() -> None:
    session, _ = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate().cancel()
    assert session.history == ("add point",)


def test_another_call_ends_a_propagation_under_way() -> None:
    session, _ = open_("zyx")
    session.add_point((4, 11, 14))
    propagation = session.propagate()
    next(propagation)
    session.add_point((4, 1, 1))
    assert list(propagation) == []
    assert session.history == ("add point", "propagate", "add point")


def test_a_full_propagation_is_one_step_of_undo() -> None:
    session, _ = open_("zyx")
    session.add_point((4, 11, 14))
    before = Snapshot.of(session)
    session.propagate().run()
    after = Snapshot.of(session)
    session.undo()
    assert Snapshot.of(session) == before
    session.redo()
    assert Snapshot.of(session) == after


# Corrections


def test_prompted_planes_stay_as_the_user_left_them() -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    mask = np.zeros((24, 28), bool)
    mask[6:17, 8:21] = True
    session.add_mask(mask, index=6)
    session.propagate().run()
    np.testing.assert_array_equal(session.mask[6], mask)
    np.testing.assert_array_equal(session.mask[4], truth[4])
    np.testing.assert_array_equal(session.mask[5], truth[5])


def test_a_plane_emptied_by_the_user_ends_the_object_and_what_was_beyond_goes() -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate().run()
    session.add_mask(np.zeros((24, 28)), index=6)
    session.propagate().run()
    expected = truth.copy()
    expected[6:] = False
    np.testing.assert_array_equal(session.mask, expected)
    session.undo()
    assert session.mask[7].any()


def test_a_narrower_range_leaves_the_planes_outside_as_they_are() -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate().run()
    session.add_mask(np.zeros((24, 28)), index=6)
    session.propagate(stop=7).run()
    np.testing.assert_array_equal(session.mask[7], truth[7])


def test_lines_fixed_in_another_orientation_are_kept() -> None:
    session, _ = open_("zyx", ScriptedBackend(lambda image, prompts, prior: image.rgb()[..., 0]))
    session.add_point((4, 11, 14))
    across = np.zeros((9, 28), bool)
    across[2, 3:9] = True
    session.add_mask(across, index=11, axis="y")
    session.propagate(axis="z").run()
    for z in (2, 3, 5, 6):
        np.testing.assert_array_equal(session.mask[z, 11], across[z], err_msg=f"z = {z}")
    assert session.mask[3, 10].any()
    assert session.mask[3, 12].any()


# 3D boxes


def test_a_3d_box_is_filled_and_not_left() -> None:
    session, truth = open_("zyx")
    session.add_box((3, 5, 8), (6, 20, 18))
    session.propagate().run()
    expected = np.zeros_like(truth)
    expected[3:7, 5:21, 8:19] = truth[3:7, 5:21, 8:19]
    np.testing.assert_array_equal(session.mask, expected)


def test_what_an_earlier_propagation_left_beyond_a_3d_box_goes() -> None:
    session, truth = open_("zyx")
    session.add_point((4, 11, 14))
    session.propagate().run()
    session.add_box((3, 2, 2), (6, 22, 26))
    session.propagate().run()
    assert np.flatnonzero(session.mask.any((1, 2))).tolist() == [3, 4, 5, 6]
    np.testing.assert_array_equal(session.mask[3:7], truth[3:7])


def test_a_negative_3d_box_stays_empty() -> None:
    stubborn = ScriptedBackend(
        lambda image, prompts, prior: np.ones(image.shape) if prior is None else prior
    )
    session, truth = open_("zyx", stubborn)
    session.add_mask(truth[4], index=4)
    session.add_box((3, 8, 10), (6, 12, 14), positive=False)
    session.propagate().run()
    assert not session.mask[[3, 5, 6], 8:13, 10:15].any()
    np.testing.assert_array_equal(session.mask[4], truth[4], "fixed by the user")
    assert session.mask[2].any()
    assert session.mask[7].any()


def test_a_3d_box_of_one_time_point_says_nothing_about_another() -> None:
    session, truth = open_("tzyx")
    session.add_box((0, 3, 5, 8), (0, 5, 20, 18))
    session.add_point((1, 4, 11, 14))
    session.propagate().run()
    np.testing.assert_array_equal(session.mask[1], truth[1])
    assert not session.mask[0, [1, 2, 6, 7]].any()


def test_a_3d_box_says_nothing_about_the_way_through_time() -> None:
    session, truth = open_("tzyx")
    session.add_box((1, 3, 0, 0), (1, 5, 23, 27))
    session.propagate(axis="t").run()
    np.testing.assert_array_equal(session.mask[:, 4], truth[:, 4])


def test_the_backend_may_be_a_name() -> None:
    scene = make_scene("zyx")
    session = Session(scene.data, "grabcut")
    session.add_box((4, 4, 5), (4, 18, 23))
    session.propagate(3, 6).run()
    assert session.mask[3:6].any((1, 2)).all()
    assert session.backend == "grabcut"


def test_prompts_given_later_are_not_part_of_a_propagation_asked_for_before() -> None:
    session, _ = open_("zyx")
    session.add_point((4, 11, 14))
    propagation = session.propagate()
    next(propagation)
    session.add_point((5, 1, 1))
    session.undo()
    assert session.prompts == (PointPrompt((4.0, 11.0, 14.0)),)
    assert session.history == ("add point", "propagate")


# The propagator


def test_the_propagator_is_named_with_the_backend_beside_it_or_later(tmp_path) -> None:
    data = make_scene("zyx").data
    assert Session(data, "grabcut").propagator == "auto"
    assert Session(data, ToyBackend(), propagator="copy").propagator == "copy"
    session = Session(data, "grabcut-zoom@flow", propagator="copy")
    assert session.propagator == "flow", "the text knows better"
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved")
    assert (again.backend, again.propagator) == ("grabcut", "flow")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    assert (again.backend, again.propagator) == ("toy", "flow")
    session.propagator = "chain"
    session.set_backend("randomwalk")
    assert session.propagator == "chain"
    for call in (
        lambda: Session(data, "grabcut@glue"),
        lambda: Session(data, "grabcut", propagator="glue"),
        lambda: setattr(session, "propagator", "glue"),
    ):
        with pytest.raises(ValueError, match=r"unknown propagator 'glue'; valid: \['auto'"):
            call()
    assert session.propagator == "chain"


def test_a_propagator_that_does_not_work_with_the_backend_is_told_at_once() -> None:
    blind = ToyBackend()
    blind.capabilities = replace(blind.capabilities, prior=False)
    session, _ = open_("zyx", blind)
    session.propagator = "chain"
    session.add_point((4, 11, 14))
    with pytest.raises(ValueError, match="cannot start from a mask"):
        session.propagate()
    assert session.history == ("add point",)


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
@pytest.mark.parametrize("name", FOR_ANY_BACKEND)
def test_any_propagator_serves_a_session(name: str, axes: str) -> None:
    session, truth = open_(axes)
    session.propagator = name
    session.add_mask(truth[4 if axes == "zyx" else 1], index=4 if axes == "zyx" else 1)
    session.add_point((0, 11, 14) if axes == "tyx" else (6, 11, 14))
    fixed = {plane: session.mask[plane.slices].copy() for plane in session.confidences}
    session.propagate(near=1).run()
    assert (session.mask & truth).sum() > 0.7 * truth.sum()
    for plane, mask in fixed.items():
        np.testing.assert_array_equal(session.mask[plane.slices], mask)
    assert all(0 <= sure <= 1 for sure in session.confidences.values())
    assert list(session.propagate()) == []
    assert session.undo()


class Recorder:
    """A propagator that answers nothing and keeps what it was told."""

    name = "recorder"

    def __init__(self) -> None:
        self.stacks: list[Stack] = []

    def fill(self, stack: Stack) -> Iterator[PlanePrediction]:
        self.stacks.append(stack)
        return iter(())


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    propagator = Recorder()
    monkeypatch.setattr(predictor, "create_propagator", lambda name, backend: propagator)
    return propagator


def test_a_stack_says_what_is_known(recorder: Recorder) -> None:
    scene = make_scene("tzyx")
    session = Session(scene.data, ToyBackend(), axes="tzyx", spacing=(9.0, 3.0, 1.0, 1.0))
    session.add_point((1, 4, 11, 14))
    session.add_box((1, 3, 5, 8), (1, 7, 20, 18))
    session.add_mask(np.ones((24, 28)), index=(1, 6))
    session.propagate().run()
    session.propagate(axis="t").run()
    along_z, along_t, *_ = recorder.stacks
    assert (along_z.step, along_t.step) == (3.0, 0.0)
    assert set(along_z.anchors) == {4, 5, 6}
    assert along_z.mask_anchors == {6}
    counts = {i: (len(p.strokes), len(p.regions)) for i in range(9) if (p := along_z.prompts(i))}
    assert counts == {4: (1, 1), 5: (0, 1), 3: (0, 1), 6: (0, 1), 7: (0, 1)}
    assert along_z.prior(7) is None
