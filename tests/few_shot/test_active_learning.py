"""The order in which images are to be annotated."""

from __future__ import annotations

import numpy as np

from drawn_discs import draw_discs
from helpers import plane_image
from napari_promptseg.few_shot.active_learning import rank
from napari_promptseg.few_shot.features import FeatureExtractor
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.proposals import Proposal


class Doubtful(FewShotClass):
    """Is sure of dark images only."""

    def proposals(self, image, is_cancelled=lambda: False):
        confidence = 0.5 if image.values.mean() > 60 else 0.99
        return [Proposal(np.ones((2, 2), bool), 0, 0, confidence)]


def test_copies_of_an_image_come_last() -> None:
    bright, dark = draw_discs(0)[0], draw_discs(1, count=1)[0]
    images = {"a": bright, "b": bright, "c": dark}
    order = rank(
        [(k, plane_image(v)) for k, v in images.items()], extractor=FeatureExtractor("cpu")
    )
    assert {entry.key for entry in order[:2]} in ({"a", "c"}, {"b", "c"})
    assert order[-1].novelty == 0


def test_what_a_class_is_unsure_of_comes_first() -> None:
    images = [("dark", draw_discs(1, count=1)[0]), ("bright", draw_discs(0)[0])]
    order = rank([(k, plane_image(v)) for k, v in images], Doubtful("disc"), max_images=1)
    assert [entry.key for entry in order] == ["bright"]
    assert order[0].uncertainty == 1


def test_nothing_is_ordered_of_nothing_and_after_a_stop() -> None:
    assert rank([], extractor=FeatureExtractor("cpu")) == []
    image = plane_image(draw_discs(0)[0])
    assert rank([("a", image)], extractor=FeatureExtractor("cpu"), is_cancelled=lambda: True) == []
