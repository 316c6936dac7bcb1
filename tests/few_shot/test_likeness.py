"""Confidence of found objects as objects of a class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn_discs import draw_discs, first
from helpers import plane_image
from napari_promptseg.few_shot.dense_candidates import dense_objects
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.likeness import confidences, measure_likeness

SCORES = np.array([0.9, 0.8, 0.7, 0.1])
NOTHING_REJECTED = -1.0


def likeness(inside, resemblance=NOTHING_REJECTED):
    return np.column_stack(np.broadcast_arrays(np.array(inside, float), resemblance))


def test_confidences_are_scores_lowered_by_what_is_unlike():
    # The best of the three sure ones is 2.8; the last one does not count for it.
    values = confidences(SCORES, likeness([3, 2, -1, 3.8]))
    gaps = np.array([0, 0, 3.8 - 2, 0])
    odds = SCORES / (1 - SCORES) * np.exp(-0.75 * gaps)
    assert values == pytest.approx(odds / (1 + odds), abs=1e-9)


def test_all_are_doubted_where_none_is_like_the_examples():
    values = confidences(SCORES, likeness([-3, -3, -3, -3]))
    odds = SCORES / (1 - SCORES) * np.exp(-0.5 * 2)
    assert values == pytest.approx(odds / (1 + odds))


def test_what_resembles_a_rejected_object_more_than_the_examples_is_doubted():
    values = confidences(SCORES, likeness([3, 3, 3, 3], [-0.2, 0.0, 0.5, -1]))
    assert values[[0, 1, 3]] == pytest.approx(SCORES[[0, 1, 3]])
    odds = 0.7 / 0.3 * np.exp(-4 * 0.5)
    assert values[2] == pytest.approx(odds / (1 + odds))


@given(
    st.lists(
        st.tuples(st.floats(0.2, 1), st.floats(-4, 4), st.floats(-1, 1)), min_size=1, max_size=8
    )
)
def test_no_object_gets_surer_by_a_class(objects: list[tuple[float, float, float]]) -> None:
    scores, inside, resemblance = np.array(objects).T
    values = confidences(scores, likeness(inside, resemblance))
    assert ((values >= 0) & (values <= np.clip(scores, 0.02, 0.98) + 1e-9)).all()


def test_without_objects_there_are_no_confidences():
    assert confidences(np.zeros(0), np.zeros((0, 2))).shape == (0,)


def test_dim_discs_are_less_like_bright_examples():
    image, labels = draw_discs(0)
    dim = labels > 8
    image[dim] = (image[dim] * 0.55).astype(np.uint8)
    concept = FewShotClass("bright disc")
    concept.learn(plane_image(image), first(labels, 5))
    pixels = plane_image(image).rgb()
    knowledge, extractor = concept.knowledge(), concept.extractor
    objects = dense_objects(extractor.instance_network, pixels, knowledge.diameter).chosen()
    values = measure_likeness(extractor, pixels, knowledge.classifier, knowledge.diameter, objects)
    numbers = np.array([np.bincount(labels[one.box][one.mask]).argmax() for one in objects])
    assert values[:, 1] == pytest.approx(NOTHING_REJECTED)
    assert values[numbers > 8, 0].max() < values[(numbers > 0) & (numbers <= 8), 0].min()
