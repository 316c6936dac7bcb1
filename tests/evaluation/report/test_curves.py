from __future__ import annotations

import pytest

from napari_promptseg.evaluation.options import Run
from napari_promptseg.evaluation.report.curves import COLORS, mean_scores, solved, style
from napari_promptseg.evaluation.results import Result

STYLES = {"a": style(0), "b": style(1)}


def result(backend: str, scores: list[list[float]], task: str = "click") -> Result:
    runs = [Run(task, "case", i, scores=list(s)) for i, s in enumerate(scores)]
    curve = [sum(s) / len(s) for s in zip(*scores, strict=True)]
    return Result("set", "images", task, backend, {}, curve, runs)


def test_a_curve_runs_from_edge_to_edge_and_up_as_scores_do():
    chart = mean_scores([result("a", [[0.5, 0.7, 1.0]])], STYLES)
    (line,) = chart.lines
    assert (line.points[0][0], line.points[-1][0]) == (chart.left, chart.right)
    heights = [y for _, y in line.points]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (chart.bottom, chart.top)
    assert [text for _, text in chart.x_ticks] == ["1", "2", "3"]
    assert chart.y_ticks[0] == (chart.bottom, "0.5")
    assert len(chart.targets) == 3


def test_all_backends_share_the_axes():
    chart = mean_scores([result("a", [[0.9, 0.9]]), result("b", [[0.2, 0.3]])], STYLES)
    assert [line.name for line in chart.lines] == ["a", "b"]
    assert all(chart.top <= y <= chart.bottom for line in chart.lines for _, y in line.points)


def test_the_share_of_solved_objects_never_falls():
    chart = solved([result("a", [[0.5, 0.91, 0.7], [0.1, 0.2, 0.3]])], STYLES)
    heights = [y for _, y in chart.lines[0].points]
    middle = (chart.top + chart.bottom) / 2
    assert heights == [chart.bottom, pytest.approx(middle), pytest.approx(middle)]
    assert chart.y_title == "objects at IoU 0.9"


def test_frames_of_a_video_count_from_the_second():
    chart = mean_scores([result("a", [[0.5, 0.6]], "video")], STYLES)
    assert [text for _, text in chart.x_ticks] == ["2", "3"]
    assert solved([result("a", [[0.5, 0.6]], "video")], STYLES) is None


def test_one_interaction_makes_no_curve():
    assert mean_scores([result("a", [[0.5]], "box")], STYLES) is None
    assert solved([result("a", [[0.5]])], STYLES) is None


def test_no_two_backends_look_alike():
    assert len({style(i) for i in range(2 * len(COLORS))}) == 2 * len(COLORS)
