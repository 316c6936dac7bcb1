"""The robot user's benchmarks, on small sets written for the test."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import write_images, write_video, write_volume
from napari_promptseg.backends.grabcut import GrabCutBackend
from napari_promptseg.evaluate.benchmarks import find_sets, measure, summarise


def test_images_reach_high_iou_on_an_easy_set(tmp_path):
    write_images(tmp_path / "easy")
    runs = list(measure(tmp_path / "easy", GrabCutBackend()))
    figures = summarise(runs)
    assert figures["objects"] == 2
    assert figures["iou5"] > 0.8
    assert 1 <= figures["noc80"] <= figures["noc90"] <= 20
    assert all(len(run.seconds) == len(run.scores) for run in runs)


def test_volumes_report_dice_after_each_interaction(tmp_path):
    write_volume(tmp_path / "organ")
    (run,) = measure(tmp_path / "organ", GrabCutBackend())
    assert run.kind == "volumes"
    assert 1 <= len(run.scores) <= 5
    assert summarise([run])["dice5"] == run.scores[-1] > 0.5


def test_videos_score_every_frame_but_the_first(tmp_path):
    write_video(tmp_path / "film")
    (run,) = measure(tmp_path / "film", GrabCutBackend())
    assert len(run.scores) == 3
    assert summarise([run])["jf"] == pytest.approx(np.mean(run.scores))
    assert min(run.scores) > 0.7


def test_sets_are_found_by_what_they_hold(tmp_path):
    write_images(tmp_path / "easy")
    write_volume(tmp_path / "organ")
    write_video(tmp_path / "film")
    assert list(find_sets(tmp_path)) == ["easy", "film", "organ"]
    assert list(find_sets(tmp_path / "film")) == ["film"]


def test_a_folder_without_sets_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        find_sets(tmp_path)
