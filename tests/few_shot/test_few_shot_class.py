"""Classes learnt from a few marked objects of a drawn scene."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drawn_discs import draw_discs, first
from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import PlaneImage, Volume
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.measure.metrics import match_objects


def plane(image, spacing=(1.0, 1.0)) -> PlaneImage:
    return PlaneImage(image, Window(0, 255), spacing)


@pytest.fixture(scope="module")
def discs() -> FewShotClass:
    concept = FewShotClass("disc", ("bright spot",), "round things that glow")
    image, labels = draw_discs(0)
    assert concept.learn(plane(image), first(labels, 5)) == 5
    return concept


def test_five_examples_find_the_objects_of_another_image(discs: FewShotClass) -> None:
    image, labels = draw_discs(1)
    assert match_objects(discs.propose(image), labels).f1 > 0.9


def test_what_nobody_marked_is_found_in_the_same_image(discs: FewShotClass) -> None:
    image, labels = draw_discs(0)
    assert match_objects(discs.propose(image), labels).f1 > 0.9


def test_proposals_do_not_overlap_and_come_likeliest_first(discs: FewShotClass) -> None:
    image, _ = draw_discs(2)
    proposals = discs.proposals(plane(image))
    coverage = np.zeros(image.shape[:2], int)
    for proposal in proposals:
        coverage[proposal.part] += proposal.mask
    assert coverage.max() == 1
    confidences = [p.confidence for p in proposals]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 <= c <= 1 for c in confidences)


def test_proposals_have_the_shape_of_planes_with_uneven_pixels(discs: FewShotClass) -> None:
    image, labels = draw_discs(3)
    narrow = np.ascontiguousarray(image[::2])
    proposals = discs.proposals(plane(narrow, (2.0, 1.0)))
    prediction = np.zeros(narrow.shape[:2], np.int32)
    for number, proposal in enumerate((p for p in proposals if p.confidence > 0.5), start=1):
        prediction[proposal.part][proposal.mask] = number
    assert match_objects(prediction, labels[::2]).f1 > 0.8


def test_the_frames_of_a_video_have_objects_of_their_own(discs: FewShotClass) -> None:
    images, labels = zip(*(draw_discs(seed, 4) for seed in (4, 5)), strict=True)
    volume = Volume(np.stack([i[..., 0] for i in images]), "tyx")
    prediction = discs.propose(volume)
    assert prediction.shape == volume.shape
    ids = [set(np.unique(f[f > 0])) for f in prediction]
    assert all(ids)
    assert not ids[0] & ids[1]
    assert match_objects(prediction[1], labels[1]).f1 > 0.8


def test_what_is_refused_is_found_less() -> None:
    image, labels = draw_discs(6)
    dim = labels > 5
    image[dim] = (image[dim] * 0.7).astype(np.uint8)
    concept = FewShotClass("bright disc")
    concept.learn(plane(image), first(labels, 5))

    def confidences() -> np.ndarray:
        proposals = concept.proposals(plane(image))
        areas = [np.count_nonzero(labels == n) for n in range(6, 13)]
        return np.array(
            [
                max(
                    p.confidence if ((labels[p.part] == n) & p.mask).sum() > area / 2 else 0.0
                    for p in proposals
                )
                for n, area in enumerate(areas, start=6)
            ]
        )

    before = confidences()
    index = int(before.argmax())
    assert before[index] > 0.5
    concept.refuse(plane(image), labels == 6 + index)
    after = confidences()
    odds = [c[index] / (1 - c[index]) for c in (before, after)]
    assert odds[1] < odds[0] / 2
    assert after.sum() < before.sum(), "its like are found less, too"


def test_objects_of_another_size_than_the_examples_are_found() -> None:
    image, labels = draw_discs(3)
    large = cv2.resize(image, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    marks = cv2.resize(
        first(labels, 5).astype(np.uint8), large.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    concept = FewShotClass("disc")
    concept.learn(plane(large), marks.astype(np.int32))
    others, truth = draw_discs(10)
    assert match_objects(concept.propose(others), truth).f1 > 0.95


def test_an_image_without_objects_has_no_proposal_that_is_sure(discs: FewShotClass) -> None:
    noise = np.random.default_rng(7).normal(40, 6, (128, 128, 3)).clip(0, 255).astype(np.uint8)
    assert not discs.propose(noise).any()


@pytest.mark.parametrize("word", ["disc", "Discs", " DISC ", "bright spot", "glow", "round things"])
def test_a_class_answers_to_name_synonym_and_description(discs: FewShotClass, word: str) -> None:
    assert discs.answers_to(word)


@pytest.mark.parametrize("word", ["", "  ", "cell", "dis", "things round"])
def test_it_does_not_answer_to_other_words(discs: FewShotClass, word: str) -> None:
    assert not discs.answers_to(word)
    answer = discs.map(plane(draw_discs(1)[0]), word)
    assert not answer.is_known
    assert answer.confidence == 0


def test_the_map_of_its_name_is_where_its_objects_are(discs: FewShotClass) -> None:
    image, labels = draw_discs(1)
    answer = discs.map(plane(image), "discs")
    assert answer.is_known
    assert answer.confidence > 0.5
    overlap = (answer.probability > 0.5) & (labels > 0)
    assert overlap.sum() > 0.8 * (labels > 0).sum()


def test_cancelling_finds_nothing(discs: FewShotClass) -> None:
    assert discs.proposals(plane(draw_discs(1)[0]), is_cancelled=lambda: True) == []


def test_a_class_without_examples_says_so() -> None:
    image, labels = draw_discs(0)
    empty = FewShotClass("disc")
    with pytest.raises(ValueError, match="'disc' has no example yet"):
        empty.propose(image)
    with pytest.raises(ValueError, match="'disc' has no example yet"):
        empty.refuse(plane(image), labels > 0)


@pytest.mark.parametrize("name", ["", "   "])
def test_a_class_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        FewShotClass(name)


def test_crumbs_are_no_examples() -> None:
    image, labels = draw_discs(0)
    concept = FewShotClass("disc")
    crumb = np.zeros_like(labels)
    crumb[5:7, 5:7] = 1
    assert concept.learn(plane(image), crumb) == 0
    assert concept.examples == 0


def test_a_search_that_is_cancelled_between_objects_and_clicks_is_empty(
    discs: FewShotClass,
) -> None:
    mixed = FewShotClass("disc that is found now and then")
    mixed.restore(discs.knowledge().samples, discs.diameters, [0.9, 0.9, 0.0, 0.0, 0.0], None)
    assert mixed.knowledge().fills_gaps
    assert not mixed.knowledge().is_dense
    polls = iter([False, True])
    assert mixed.proposals(plane(draw_discs(1)[0]), lambda: next(polls, True)) == []
