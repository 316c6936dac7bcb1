"""Examples that the network for all objects knows, and others."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import draw_discs, first
from helpers import plane_image
from napari_promptseg.few_shot.dense_candidates import dense_overlaps
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.models.instance_weights import InstanceNetwork


@pytest.fixture(scope="module")
def network() -> InstanceNetwork:
    return InstanceNetwork("cpu")


def test_overlaps_of_examples_are_in_the_order_of_their_labels(network: InstanceNetwork) -> None:
    image, labels = draw_discs(0)
    marks = first(labels, 3)
    rows, columns = np.nonzero(marks == 2)
    marks[rows[rows > rows.mean()], columns[rows > rows.mean()]] = 0  # half of it is marked
    overlaps = dense_overlaps(network, plane_image(image).rgb(), marks, 20.0)
    assert min(overlaps[0], overlaps[2]) > 0.9
    assert 0.4 < overlaps[1] < 0.6


def test_a_class_knows_how_well_that_network_finds_its_examples() -> None:
    image, labels = draw_discs(0)
    whole, part = FewShotClass("disc"), FewShotClass("upper part of a disc")
    whole.learn(plane_image(image), first(labels, 5))
    assert whole.knowledge().is_dense
    assert len(whole.overlaps) == whole.examples == 5

    marks = first(labels, 5)
    for number in range(1, 6):
        rows, columns = np.nonzero(marks == number)
        lower = rows > np.median(rows)
        marks[rows[lower], columns[lower]] = 0
    part.learn(plane_image(image), marks)
    assert not part.knowledge().is_dense
    assert part.knowledge().fills_gaps
    assert max(part.overlaps) < 0.75
