"""Few-shot adaptation: from images and labels to a class, and to weights of its own."""

from __future__ import annotations

import numpy as np
import pytest

from drawn_discs import draw_discs, first
from napari_promptseg import adapt
from napari_promptseg.data.volume import Volume
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.training import fine_tune
from napari_promptseg.training.data.datasets import Scene


def scene(seed: int, count: int, name: str) -> Scene:
    image, labels = draw_discs(seed, count)
    return Scene(image, labels, "instances", (1.0, 1.0), name)


def test_five_objects_make_a_class_that_proposes() -> None:
    image, labels = draw_discs(0)
    concept = adapt([image], [first(labels, 5)], name="disc", tune=False)
    assert concept.examples == 5
    assert concept.adapter is None
    proposals = concept.propose(draw_discs(1)[0])
    assert proposals.shape == labels.shape
    assert proposals.any()


def test_planes_of_a_volume_are_examples() -> None:
    images, labels = zip(*(draw_discs(s, 2) for s in (0, 1)), strict=True)
    volume = Volume(np.stack([i[..., 0] for i in images]), "zyx", (3.0, 1.0, 1.0))
    concept = adapt([volume], [np.stack(labels)], name="disc", tune=False)
    assert concept.examples == 4


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "1 images need as many labels, got 0"),
        ([np.zeros((128, 128), int)], "no object of 12 pixels"),
        ([np.zeros((64, 64), int)], r"integers of shape \(128, 128\), got int64 of shape"),
        ([np.zeros((128, 128))], "integers of shape .* got float64"),
    ],
    ids=["none", "empty", "shape", "type"],
)
def test_labels_that_do_not_fit_are_refused(labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapt([draw_discs(0)[0]], labels, name="disc")


def test_objects_of_few_images_are_split_and_held_back_alone() -> None:
    training, validation = fine_tune.split_objects([scene(0, 8, "a")])
    labels = set(np.unique(training[0].labels)) - {0}
    assert len(validation) == 2
    assert len(labels) == 6
    for other in validation:
        assert set(np.unique(other.labels)) == {0, 1}
        assert not (training[0].labels[other.labels > 0]).any()


def test_of_many_images_whole_ones_are_held_back() -> None:
    scenes = [scene(i, 3, str(i)) for i in range(6)]
    training, validation = fine_tune.split_objects(scenes)
    assert {s.name for s in training}.isdisjoint({s.name for s in validation})
    assert len({s.name for s in training}) == 4


def test_fewer_than_four_objects_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="four objects or more, got 3"):
        fine_tune.split_objects([scene(0, 3, "a")])


def test_tuning_changes_the_decoder_alone_and_never_the_backend(monkeypatch) -> None:
    monkeypatch.setattr(fine_tune, "_MOST_STEPS", 3)
    backend = ClickNetBackend("cpu")
    before = {k: v.numpy().copy() for k, v in backend.net.state_dict().items()}
    counts = iter([[9.0, 9.0], [8.5, 8.5], [8.0, 8.0]])  # before, all the way, a part of it
    monkeypatch.setattr(fine_tune, "clicks_needed", lambda *_: np.array(next(counts)))
    tuned = fine_tune.tune(backend, [scene(0, 6, "a")], seconds=1e6)
    assert tuned.adapter is not None
    assert tuned.steps == 3
    assert (tuned.before, tuned.after) == (9.0, 8.0)
    assert not any(name.startswith("encoder.") for name in tuned.adapter)
    assert any((t != before[k]).any() for k, t in tuned.adapter.items())
    assert all((v.numpy() == before[k]).all() for k, v in backend.net.state_dict().items())


def test_what_saves_no_click_is_not_kept(monkeypatch) -> None:
    monkeypatch.setattr(fine_tune, "_MOST_STEPS", 1)
    monkeypatch.setattr(fine_tune, "clicks_needed", lambda *_: np.array([3.0, 3.0]))
    tuned = fine_tune.tune(ClickNetBackend("cpu"), [scene(0, 6, "a")], seconds=1e6)
    assert tuned.adapter is None
    assert tuned.after == tuned.before


def test_stopping_ends_with_what_was_learnt(monkeypatch) -> None:
    monkeypatch.setattr(fine_tune, "clicks_needed", lambda *_: np.array([3.0, 3.0]))
    tuned = fine_tune.tune(
        ClickNetBackend("cpu"), [scene(0, 6, "a")], seconds=1e6, is_cancelled=lambda: True
    )
    assert tuned.steps == 0


def test_clicks_are_fewer_for_what_is_easy() -> None:
    easy = fine_tune.split_objects([scene(0, 6, "a")])[1]
    counts = fine_tune.clicks_needed(ClickNetBackend("cpu"), easy)
    assert (counts < 2).all()
