from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.data.volume import Volume
from napari_promptseg.evaluation.datasets import GroundTruth
from napari_promptseg.evaluation.options import Options, Run
from napari_promptseg.evaluation.report.overlays import caption, picture, worst
from napari_promptseg.evaluation.volumes import measure_planes, measure_volume


def test_the_worst_need_most_clicks_or_never_get_there():
    quick = Run("click", "quick", 1, scores=[0.95])
    slow = Run("click", "slow", 1, scores=[0.2, 0.3, 0.92])
    failed = Run("click", "failed", 1, scores=[0.2, 0.3, 0.4])
    worse = Run("click", "worse", 1, scores=[0.2, 0.3, 0.35])
    assert worst([quick, slow, failed, worse], 3) == [worse, failed, slow]
    films = [Run("video", str(i), 1, scores=[0.1 * i, 0.9]) for i in range(3)]
    assert worst(films, 1) == [films[0]]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(Run("click", "", 1, scores=[0.5, 0.91]), "IoU 0.50 → 0.91, 2 clicks", id="2d"),
        pytest.param(Run("volume", "", 1, scores=[0.9]), "Dice 0.90, 1 interaction", id="3d"),
        pytest.param(Run("box", "", 1, scores=[0.5]), "IoU 0.50", id="box"),
        pytest.param(
            Run("video", "", 1, scores=[0.5, 0.7]), "J&F 0.60, in this frame 0.50", id="video"
        ),
    ],
)
def test_captions_say_how_it_went(run, expected):
    assert caption(run) == expected


def one_square() -> tuple[GroundTruth, Run]:
    truth = np.zeros((100, 200), np.uint8)
    truth[40:60, 90:110] = 1
    prompts = [PointPrompt((50.0, 100.0)), PointPrompt((30.0, 90.0), False)]
    answer = pack_mask(Plane((None, None)), truth > 0)
    run = Run("click", "square", 1, prompts=prompts, scores=[0.5, 1.0], worst_answer=answer)
    return GroundTruth(Volume(bright(truth > 0)), truth), run


def test_outlines_and_clicks_lie_where_the_object_does():
    overlay = picture(run=one_square()[1], content=one_square()[0])
    (outline,) = overlay.truth
    assert overlay.answer == overlay.truth
    (left, top), (right, bottom) = np.min(outline, 0), np.max(outline, 0)
    scale = (right - left) / 20
    assert (bottom - top) / 20 == pytest.approx(scale, rel=0.02)
    first, second = overlay.marks
    assert (first.number, first.positive, second.number, second.positive) == (1, True, 2, False)
    assert first.x == pytest.approx(left + 10.5 * scale, abs=0.2)
    assert first.y == pytest.approx(top + 10.5 * scale, abs=0.2)
    assert second.y < top
    assert max(overlay.width, overlay.height) == 300


def test_the_image_under_it_is_the_same_crop():
    content, run = one_square()
    overlay = picture(run, content)
    data = base64.b64decode(overlay.image.removeprefix("data:image/webp;base64,"))
    image = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(float)
    bright_rows = np.flatnonzero(image.max(1) > 120)
    scale = overlay.height / image.shape[0]
    (_, top), (_, bottom) = np.min(overlay.truth[0], 0), np.max(overlay.truth[0], 0)
    assert bright_rows[0] * scale == pytest.approx(top, abs=0.1 * (bottom - top))
    assert (bright_rows[-1] + 1) * scale == pytest.approx(bottom, abs=0.1 * (bottom - top))


def test_planes_of_a_volume_are_shown_in_their_spacing():
    truth = ellipsoid((12, 40, 50), (6, 20, 25), (5, 12, 15))
    scan = GroundTruth(Volume(bright(truth), spacing=(4.0, 1.0, 1.0)), truth.astype(np.uint8))
    runs = list(measure_planes(scan, ToyBackend(), Options(), "case"))
    for run in runs:
        overlay = picture(run, scan)
        (left, top), (right, bottom) = np.min(overlay.truth[0], 0), np.max(overlay.truth[0], 0)
        assert 0.5 < (right - left) / (bottom - top) < 2
        assert len(overlay.marks) == len(run.prompts)
        assert left < overlay.marks[0].x < right


def test_only_clicks_on_the_shown_plane_of_a_volume_are_drawn():
    truth = ellipsoid((12, 40, 50), (6, 20, 25), (5, 12, 15))
    scan = GroundTruth(Volume(bright(truth)), truth.astype(np.uint8))
    (run,) = measure_volume(scan, ToyBackend(), Options(interactions=1), "case")
    run.worst_answer = pack_mask(Plane((6, None, None)), truth[6])
    assert len(picture(run, scan).marks) == 1
    run.worst_answer = pack_mask(Plane((3, None, None)), truth[3])
    assert picture(run, scan).marks == []
