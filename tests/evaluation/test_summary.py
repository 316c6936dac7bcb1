"""Figures of a set, against values worked out by hand."""

from __future__ import annotations

import pytest

from napari_promptseg.evaluation.options import Options, Run
from napari_promptseg.evaluation.summary import curve, summarise

FINAL = {"iou": 0.9, "dice": 0.94, "boundary_iou": 0.5, "violated": 1.0}


def run(task: str, scores: list[float], **figures: float) -> Run:
    seconds = [0.1 * count for count in range(1, len(scores) + 1)]
    return Run(task, "case", 1, scores=scores, seconds=seconds, figures=figures)


def test_clicks_on_images():
    runs = [
        run("click", [0.7, 0.86, 0.95], **FINAL),
        run("click", [0.5, 0.6, 0.7, 0.81], **{**FINAL, "iou": 0.5}),
    ]
    figures = summarise(runs, Options(clicks=4))
    assert figures["objects"] == 2
    assert (figures["noc80"], figures["noc85"], figures["noc90"]) == (3.0, 3.0, 3.5)
    assert (figures["failures80"], figures["failures85"], figures["failures90"]) == (0, 1, 1)
    assert figures["iou1"] == pytest.approx(0.6)
    assert figures["iou3"] == pytest.approx((0.95 + 0.7) / 2)
    assert figures["iou"] == pytest.approx(0.7)
    assert figures["violated"] == 1.0
    assert figures["seconds_median"] == pytest.approx(0.2)
    assert "iou5" not in figures


def test_the_curve_goes_on_with_the_last_score():
    runs = [run("click", [0.7, 0.95]), run("click", [0.1, 0.2, 0.3])]
    assert curve(runs, Options(clicks=4)) == pytest.approx([0.4, 0.575, 0.625, 0.625])


def test_interactions_with_volumes():
    runs = [
        run("volume", [0.5, 0.87, 0.91], dice=0.91, violated=0.0),
        run("volume", [0.4, 0.5, 0.6], dice=0.6, violated=1.0),
    ]
    figures = summarise(runs, Options(interactions=3))
    assert (figures["interactions85"], figures["interactions90"]) == (2.5, 3.0)
    assert (figures["failures85"], figures["failures90"]) == (1, 1)
    assert figures["dice1"] == pytest.approx(0.45)
    assert figures["dice3"] == figures["dice"] == pytest.approx(0.755)


def test_a_middle_plane_is_one_interaction():
    runs = [
        run("middle", [score], dice=0.9, dice_others=score, planes_per_second=rate)
        for score, rate in ((0.8, 10.0), (0.6, 30.0))
    ]
    figures = summarise(runs, Options(interactions=5))
    assert figures["dice_others"] == pytest.approx(0.7)
    assert figures["planes_per_second"] == 20
    assert not any(name.startswith(("interactions", "failures")) for name in figures)
    assert curve(runs, Options(interactions=5)) == pytest.approx([0.7])


def test_videos_weigh_every_object_alike():
    runs = [run("video", [0.8, 0.6], j=0.7, f=0.7), run("video", [0.1], j=0.2, f=0.0)]
    figures = summarise(runs, Options())
    assert figures["jf"] == pytest.approx((0.7 + 0.1) / 2)
    assert figures["j"] == pytest.approx(0.45)


def test_a_box_alone_has_its_iou():
    figures = summarise([run("box", [0.9], **FINAL)], Options())
    assert figures["iou"] == 0.9
    assert not any(name.startswith("noc") for name in figures)
    assert curve([run("box", [0.9])], Options()) == [0.9]


def test_the_share_of_corrections_that_make_it_worse():
    runs = [run("click", [0.7, 0.6, 0.9, 0.9]), run("click", [0.5]), run("click", [0.5, 0.4995])]
    assert summarise(runs, Options(clicks=4))["worse"] == pytest.approx(1 / 4)
