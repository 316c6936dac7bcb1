"""The robot user on images, volumes and videos, with a backend that sees bright regions."""

from __future__ import annotations

import numpy as np
import pytest

from datasets import write_images, write_video, write_volume
from helpers import ScriptedBackend, ToyBackend, bright, ellipsoid
from napari_promptseg.data.masks import unpack_mask
from napari_promptseg.data.prompts import BoxPrompt, PointPrompt
from napari_promptseg.data.volume import Volume
from napari_promptseg.evaluation.case import measure_case
from napari_promptseg.evaluation.datasets import GroundTruth, find_cases
from napari_promptseg.evaluation.images import measure_image
from napari_promptseg.evaluation.options import Options
from napari_promptseg.evaluation.volumes import measure_planes, measure_volume
from napari_promptseg.models.backends.grabcut import GrabCutBackend

LEFT, RIGHT = (ellipsoid((60, 90), (30, c), (14, 14)) for c in (25, 65))
PAIR = GroundTruth(Volume(bright(LEFT | RIGHT)), LEFT * 1 + RIGHT * 2)


def nothing(image, prompts, prior):
    return np.zeros(image.shape)


def test_a_click_each_finds_bright_objects():
    runs = list(measure_image(PAIR, ToyBackend(), Options(), "pair", [1, 2]))
    assert [(run.task, run.name, run.scores) for run in runs] == [
        ("click", "pair 1", [1.0]),
        ("click", "pair 2", [1.0]),
    ]
    assert runs[0].prompts == [PointPrompt((30.0, 25.0))]
    assert runs[0].figures == {"iou": 1.0, "dice": 1.0, "boundary_iou": 1.0, "violated": 0.0}
    np.testing.assert_array_equal(unpack_mask(runs[1].worst_answer), RIGHT)
    assert len(runs[0].seconds) == 1


def test_a_backend_that_finds_nothing_gets_all_clicks():
    options = Options(clicks=4)
    (run,) = measure_image(PAIR, ScriptedBackend(nothing), options, "pair", [1])
    assert len(run.scores) == len(run.seconds) == len(run.prompts) == 4
    assert run.figures["violated"] == 4


def test_box_and_scribble_are_given_alone():
    options = Options(prompts=("box", "scribble"))
    boxed, scribbled = measure_image(PAIR, ToyBackend(), options, "pair", [2])
    assert boxed.scores == scribbled.scores == [1.0]
    assert boxed.prompts == [BoxPrompt((15.6, 50.6), (44.4, 79.4))]
    assert [p.kind for p in scribbled.prompts] == ["scribble"]


def test_the_union_of_all_ids_is_one_object():
    options = Options(union=True)
    (run,) = measure_image(PAIR, ToyBackend(), options, "pair", options.choose(PAIR.ids, "pair"))
    assert run.name == "pair union"
    assert run.scores == [pytest.approx(0.5), 1.0]


def test_ignored_pixels_are_not_judged_and_not_clicked():
    ignored = np.zeros(LEFT.shape, bool)
    ignored[:, 45:] = True
    truth = GroundTruth(PAIR.volume, LEFT * 1, ignored)
    everything = ScriptedBackend(lambda image, prompts, prior: np.ones(image.shape))
    (run,) = measure_image(truth, everything, Options(clicks=3), "pair", [1])
    assert run.scores[0] == pytest.approx(LEFT.sum() / (~ignored).sum())
    assert all(p.position[1] < 45 for p in run.prompts)


def test_objects_are_chosen_by_seed_and_large_enough():
    ids = np.repeat(np.arange(12), 100).reshape(12, 100)
    ids[3, 30:] = 0
    first = Options(objects=4).choose(ids, "image")
    assert first == Options(objects=4).choose(ids, "image")
    assert len(first) == 4
    assert Options(objects=99).choose(ids, "image") == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    selections = {tuple(Options(objects=4, seed=s).choose(ids, "image")) for s in range(5)}
    assert len(selections) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"clicks": 0}, "clicks must be 1 or more, got 0", id="clicks"),
        pytest.param({"limit": -1}, "limit must be 1 or more, got -1", id="limit"),
        pytest.param({"stop_at": 1.5}, "stop_at .* got 1.5", id="stop_at"),
        pytest.param({"prompts": ()}, r"valid, one or more: .*scribble", id="no prompts"),
        pytest.param({"prompts": ("lasso",)}, r"'lasso'.*'scribble'", id="prompt"),
        pytest.param({"first_frame": "2"}, r"'2'.*'mask', '1', '3'", id="first frame"),
        pytest.param({"start": "top"}, r"'top'.*'click', 'middle'", id="start"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Options(**options)


def test_a_volume_is_found_by_one_interaction_and_never_by_a_blind_backend(tmp_path):
    write_volume(tmp_path / "organ")
    scan = find_cases(tmp_path / "organ")[0].read()
    (run,) = measure_volume(scan, ToyBackend(), Options(interactions=3), "case")
    assert run.task == "volume"
    assert run.scores[-1] > 0.85
    assert run.prompts[0].position[0] == pytest.approx(7.5, abs=1)
    (blind,) = measure_volume(scan, ScriptedBackend(nothing), Options(interactions=3), "case")
    assert blind.scores == [0.0, 0.0, 0.0]
    assert (blind.figures["surface_dice"], run.figures["surface_dice"] > 0.5) == (0.0, True)
    assert (
        run.figures["hd95"] < 5 < blind.figures["hd95"] == pytest.approx(np.hypot(16, 48 * 2**0.5))
    )
    assert blind.figures["violated"] == 3
    assert run.figures["planes_per_second"] > 0


def tube(depth: int = 9) -> np.ndarray:
    return np.broadcast_to(LEFT, (depth, *LEFT.shape)).copy()


def from_middle(truth: np.ndarray, backend, propagator: str = "auto", spacing=None):
    scan = GroundTruth(Volume(bright(truth), spacing=spacing), truth.astype(np.uint8))
    (run,) = measure_volume(scan, backend, Options(start="middle"), "case", propagator)
    return run


def test_a_volume_can_begin_with_its_middle_plane():
    truth = tube()
    truth[:2] = False
    run = from_middle(truth, ToyBackend())
    assert (run.task, run.prompts) == ("middle", [])
    assert run.scores == [1.0]
    assert (run.figures["dice"], run.figures["dice_others"]) == (1.0, 1.0)
    assert run.figures["planes_per_second"] > 0
    assert len(run.seconds) == 1


def test_the_given_plane_is_not_scored():
    blind = from_middle(tube(), ScriptedBackend(nothing))
    assert blind.scores == [0.0]
    assert blind.figures["dice"] == pytest.approx(2 / 10)
    assert blind.figures["planes_per_second"] == 0


def test_the_middle_of_a_hollow_object_is_the_nearest_plane_that_holds_some():
    truth = tube()
    truth[3:6] = False
    run = from_middle(truth, ToyBackend(), "copy")
    # Copies go on over the gap: six planes of nine, without the given one.
    assert run.scores == [pytest.approx(2 * 5 / (5 + 8))]


def test_the_propagator_is_the_one_that_is_named():
    truth = tube()
    truth[5:] = np.roll(LEFT, 12, 1)
    chained, copied = (from_middle(truth, ToyBackend(), name) for name in ("chain", "copy"))
    assert chained.scores[0] > copied.scores[0] > 0.5


def test_planes_of_a_volume_are_images_along_three_axes(tmp_path):
    write_volume(tmp_path / "organ", spacing=(3.0, 1.0, 1.0))
    scan = find_cases(tmp_path / "organ")[0].read()
    runs = list(measure_planes(scan, GrabCutBackend(), Options(), "case"))
    assert [run.section.split()[0] for run in runs] == ["z", "y", "x"]
    assert all(run.task == "click" and run.scores[-1] > 0.8 for run in runs)


def test_a_video_is_scored_on_every_frame_but_the_first(tmp_path):
    write_video(tmp_path / "film")
    (run,) = measure_case(find_cases(tmp_path / "film")[0], ToyBackend(), Options())
    assert (run.task, run.scores) == ("video", [1.0, 1.0, 1.0])
    assert run.figures.pop("frames_per_second") > 0
    assert run.figures == {"j": 1.0, "f": 1.0, "first_iou": 1.0}
    assert run.prompts == []


def test_a_video_is_carried_by_the_propagator_that_is_named(tmp_path):
    write_video(tmp_path / "film")
    case = find_cases(tmp_path / "film")[0]
    (copy_run,) = measure_case(case, ToyBackend(), Options(), "copy")
    (flow_run,) = measure_case(case, ToyBackend(), Options(), "flow")
    assert copy_run.scores[-1] < 0.6 < flow_run.scores[-1]


def test_a_video_can_begin_with_a_click(tmp_path):
    write_video(tmp_path / "film")
    (run,) = measure_case(find_cases(tmp_path / "film")[0], ToyBackend(), Options(first_frame="1"))
    assert [p.position[0] for p in run.prompts] == [0.0]
    assert run.figures["first_iou"] == run.scores[0] == 1.0


def test_frames_of_a_video_are_images(tmp_path):
    write_video(tmp_path / "film")
    options = Options(planes=True, prompts=("click", "box"))
    runs = list(measure_case(find_cases(tmp_path / "film")[0], ToyBackend(), options))
    assert [run.section for run in runs] == ["t 0", "t 0", "t 2", "t 2", "t 3", "t 3"]
    assert [run.task for run in runs[:2]] == ["click", "box"]


def test_images_are_measured_from_their_files(tmp_path):
    write_images(tmp_path / "easy")
    runs = [
        run
        for case in find_cases(tmp_path / "easy")
        for run in measure_case(case, GrabCutBackend(), Options())
    ]
    assert [run.name for run in runs] == ["scene0 1", "scene1 1"]
    assert all(run.scores[-1] > 0.9 for run in runs)
