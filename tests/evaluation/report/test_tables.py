from __future__ import annotations

import pytest

from napari_promptseg.evaluation.options import Options, Run
from napari_promptseg.evaluation.report.tables import COLUMNS, HEADLINES, Column, cells
from napari_promptseg.evaluation.results import Result
from napari_promptseg.evaluation.summary import summarise


def result(backend: str, **summary: float) -> Result:
    return Result("set", "images", "click", backend, summary, [], [])


@pytest.mark.parametrize(("low", "best"), [(True, [True, False]), (False, [False, True])])
def test_the_best_of_a_column_is_marked(low, best):
    column = Column("noc85", "NoC", "@85", digits=1, low=low)
    column_cells = cells([result("a", noc85=2.04), result("b", noc85=3.96)], column)
    assert [cell.text for cell in column_cells] == ["2.0", "4.0"]
    assert [cell.best for cell in column_cells] == best


def test_equal_figures_and_lone_backends_have_no_best():
    column = Column("iou1", "IoU", "1", digits=2)
    assert not any(
        c.best for c in cells([result("a", iou1=0.501), result("b", iou1=0.499)], column)
    )
    assert not any(c.best for c in cells([result("a", iou1=0.5)], column))


def test_a_missing_figure_leaves_its_cell_empty():
    column = Column("iou5", "IoU", "5")
    first, second, third = cells(
        [result("a"), result("b", iou5=0.5), result("c", iou5=0.6)], column
    )
    assert (first.text, first.best) == ("", False)
    assert (second.best, third.best) == (False, True)


@pytest.mark.parametrize("task", COLUMNS)
def test_every_figure_of_a_summary_has_a_column(task):
    names = {
        "volume": ("dice", "surface_dice", "hd95", "violated", "planes_per_second"),
        "middle": ("dice", "dice_others", "surface_dice", "hd95", "planes_per_second"),
        "video": ("j", "f", "first_iou", "frames_per_second"),
        "all": ("f1", "precision", "recall", "ar50", "watershed_f1", "objects_per_second"),
    }.get(task, ("iou", "dice", "boundary_iou", "violated"))
    run = Run(task, "case", 1, scores=[0.5], seconds=[1.0], figures=dict.fromkeys(names, 0.5))
    keys = {column.key for column in COLUMNS[task]}
    assert set(summarise([run], Options(interactions=10))) - {"objects", "violated"} <= keys
    assert set(HEADLINES[task]) <= keys
