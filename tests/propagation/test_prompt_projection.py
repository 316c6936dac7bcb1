from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import ALL_PROMPTS, ScriptedBackend, ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, box_region
from napari_promptseg.models.backends.grabcut import GrabCutBackend
from napari_promptseg.models.base import Backend, Capabilities
from napari_promptseg.propagation.base import Stack
from napari_promptseg.propagation.prompt_projection import (
    ProjectedPrompts,
    PromptProjection,
    project,
)

SHAPE = (60, 70)
MASK = ellipsoid(SHAPE, (30, 35), (12, 18))
BOTH = frozenset({"point", "box"})
ONLY_PROMPTS = Capabilities(ALL_PROMPTS, prior=False)


class Listener:
    """Keeps what it was asked, and answers with one mask."""

    def __init__(self, capabilities: Capabilities, answer: np.ndarray = MASK) -> None:
        self.calls: list[tuple[PlanePrompts, np.ndarray | None]] = []
        self.answer = answer
        self.backend = ScriptedBackend(self._listen, capabilities=capabilities)

    def _listen(self, image, prompts, prior):
        self.calls.append((prompts, prior))
        return self.answer


def ask(listener: Listener, prompts: PlanePrompts | None = None, prior=MASK):
    projected = ProjectedPrompts(listener.backend)
    image = projected.embed(plane_image(np.zeros(SHAPE)))
    return projected.predict(image, prompts or PlanePrompts(), prior)


def test_a_backend_without_masks_gets_a_box_and_a_point():
    listener = Listener(ONLY_PROMPTS)
    answer = ask(listener)
    np.testing.assert_array_equal(answer.paste(SHAPE) > 0.5, MASK)
    ((prompts, prior),) = listener.calls
    assert prior is None
    (box,), (point,) = prompts.regions, prompts.strokes
    assert box.box
    assert (np.rint(box.vertices.min(0)) == (18, 17)).all()
    assert (np.rint(box.vertices.max(0)) == (42, 53)).all()
    np.testing.assert_allclose(point.path, [[30, 35]], atol=1)


def test_a_backend_that_takes_masks_gets_the_mask_in_place_of_the_box():
    listener = Listener(Capabilities(ALL_PROMPTS))
    ask(listener)
    ((prompts, prior),) = listener.calls
    np.testing.assert_array_equal(prior, MASK)
    assert prompts.regions == ()
    assert len(prompts.strokes) == 1


@pytest.mark.parametrize("kinds", [{"point"}, {"box"}, {"text"}], ids=str)
def test_only_what_is_understood_is_asked(kinds):
    listener = Listener(Capabilities(frozenset(kinds), prior=kinds == {"text"}))
    ask(listener)
    ((prompts, _),) = listener.calls
    assert bool(prompts.strokes) == ("point" in kinds)
    assert bool(prompts.regions) == ("box" in kinds)


def test_a_backend_that_understands_nothing_of_it_is_refused():
    backend = ScriptedBackend(
        lambda *_: MASK, capabilities=Capabilities(frozenset({"text"}), prior=False)
    )
    with pytest.raises(ValueError, match=r"'scripted'.*\['text'\]; valid: point, box"):
        PromptProjection(backend)


def test_without_a_mask_the_question_is_passed_on():
    listener = Listener(ONLY_PROMPTS)
    given_box = PlanePrompts(regions=(box_region((5, 5), (9, 9)),))
    for prior in (None, np.zeros(SHAPE, bool)):
        ask(listener, given_box, prior)
    assert [prompts for prompts, _ in listener.calls] == [given_box] * 2


def test_prompts_of_the_user_are_kept_and_their_box_stands():
    box, exclusion = box_region((5, 5), (50, 60)), box_region((20, 20), (22, 22), positive=False)
    with_box = project(MASK, PlanePrompts(regions=(box, exclusion)), BOTH)
    assert with_box.regions == (box, exclusion)
    without = project(MASK, PlanePrompts(regions=(exclusion,)), BOTH)
    assert without.regions[0] is exclusion
    assert len(without.regions) == 2


def test_every_piece_gets_a_point_but_crumbs():
    pieces = ellipsoid(SHAPE, (15, 15), (9, 9)) | ellipsoid(SHAPE, (40, 50), (6, 6))
    pieces[50:52, 5:7] = True
    places = [s.path[0].tolist() for s in project(pieces, PlanePrompts(), BOTH).strokes]
    assert places == [[15, 15], [40, 50]]


@given(
    st.tuples(st.integers(5, 54), st.integers(5, 64)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_points_lie_on_the_object_and_the_box_around_it(centre, radii):
    mask = ellipsoid(SHAPE, centre, radii)
    prompts = project(mask, PlanePrompts(), BOTH)
    for stroke in prompts.strokes:
        row, column = stroke.path[0].astype(int)
        assert mask[row, column]
    low, high = prompts.regions[0].vertices.min(0), prompts.regions[0].vertices.max(0)
    rows, columns = np.nonzero(mask)
    np.testing.assert_array_equal(np.rint(low), (rows.min(), columns.min()))
    np.testing.assert_array_equal(np.rint(high), (rows.max(), columns.max()))


def test_an_answer_elsewhere_is_nothing():
    listener = Listener(ONLY_PROMPTS, ellipsoid(SHAPE, (8, 8), (6, 6)))
    assert not ask(listener).mask.any()


def test_it_is_a_backend_around_a_backend():
    projected = ProjectedPrompts(Listener(ONLY_PROMPTS).backend)
    assert isinstance(projected, Backend)
    assert projected.name == "scripted"
    assert projected.capabilities == Capabilities(ALL_PROMPTS)


def test_an_object_is_carried_by_prompts_alone_until_it_ends():
    """The toy backend finds what is under a point, and never says that there is nothing."""
    truth = ellipsoid((15, *SHAPE), (7, 30, 35), (5, 12, 18))
    volume, toy = bright(truth), ToyBackend()
    toy.capabilities = ONLY_PROMPTS
    stack = Stack(lambda i: plane_image(volume[i]), {7: truth[7]}, 0, 15)
    steps = {step.index: step for step in PromptProjection(toy).fill(stack)}
    for index in range(4, 11):
        if index != 7:
            np.testing.assert_array_equal(steps[index].mask, truth[index])
            assert steps[index].confidence == pytest.approx(0.8)
    assert min(steps) >= 2
    assert max(steps) <= 12


def test_a_backend_without_weights_is_carried_too():
    truth = np.broadcast_to(MASK, (5, *SHAPE))
    volume = bright(truth) + np.random.default_rng(0).integers(0, 20, truth.shape, np.uint8)
    stack = Stack(lambda i: plane_image(volume[i]), {0: truth[0]}, 0, 5)
    steps = list(PromptProjection(GrabCutBackend()).fill(stack))
    assert [step.index for step in steps] == [1, 2, 3, 4]
    assert all((step.mask == truth[0]).mean() > 0.98 for step in steps)
