"""The page: overview, then curves, tables and worst cases of every data set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from napari_promptseg.evaluation.report.curves import Chart, Styles, mean_scores, solved, style
from napari_promptseg.evaluation.report.overlays import Picture, picture, worst
from napari_promptseg.evaluation.report.tables import COLUMNS, HEADLINES, Cell, Column, cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg.evaluation.datasets import Case, GroundTruth
    from napari_promptseg.evaluation.options import Task
    from napari_promptseg.evaluation.results import Result, Results

_TITLES: Final[dict[Task, str]] = {
    "click": "clicks",
    "box": "a box alone",
    "scribble": "a scribble alone",
    "volume": "clicks and propagation",
    "middle": "from the middle plane",
    "video": "from the first frame",
    "all": "all objects without prompts",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one backend."""

    backend: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Section:
    """One data set and task."""

    anchor: str
    set_name: str
    task: str
    objects: int
    columns: list[Column]
    groups: list[tuple[str, int]]
    rows: list[Row]
    headlines: list[Column]
    headline_rows: list[Row]
    charts: list[Chart]
    worst: dict[str, list[Picture]]


def render(results: Results, cases: Mapping[tuple[str, str], Case]) -> str:
    """Return the page as the text of one HTML file that needs no other.

    Parameters
    ----------
    results : Results
        Runs that keep their answers become pictures, those read from a file do not.
    cases : mapping
        The case of each set and name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    styles = {backend: style(i) for i, backend in enumerate(results.identities)}
    by_task = groupby(
        sorted(results.results, key=lambda r: (r.set_name, list(COLUMNS).index(r.task))),
        key=lambda r: (r.set_name, r.task),
    )
    groups = [list(group) for _, group in by_task]
    pictures_by_run = _pictures(groups, cases)
    environment = Environment(
        loader=PackageLoader("napari_promptseg.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        results=results,
        options=asdict(results.options),
        styles=styles,
        sections=[_section(i, group, styles, pictures_by_run) for i, group in enumerate(groups)],
    )


def _section(
    number: int,
    group: Sequence[Result],
    styles: Styles,
    pictures_by_run: Mapping[int, Picture],
) -> Section:
    first = group[0]
    present = [c for c in COLUMNS[first.task] if any(c.key in r.summary for r in group)]
    heads = [c for c in present if c.key in HEADLINES[first.task]]
    pictures = {
        result.backend: [
            pictures_by_run[id(run)] for run in worst(result.runs) if id(run) in pictures_by_run
        ]
        for result in group
    }
    return Section(
        anchor=f"s{number}",
        set_name=first.set_name,
        task=_TITLES[first.task],
        objects=max(len(result.runs) for result in group),
        columns=present,
        groups=[(name, len(list(same))) for name, same in groupby(present, lambda c: c.group)],
        rows=_rows(group, present),
        headlines=heads,
        headline_rows=_rows(group, heads),
        charts=[chart for chart in (mean_scores(group, styles), solved(group, styles)) if chart],
        worst={backend: cases for backend, cases in pictures.items() if cases},
    )


def _rows(group: Sequence[Result], columns: Sequence[Column]) -> list[Row]:
    by_column = [cells(group, column) for column in columns]
    return [
        Row(result.backend, [column[i] for column in by_column]) for i, result in enumerate(group)
    ]


def _pictures(
    groups: Sequence[Sequence[Result]], cases: Mapping[tuple[str, str], Case]
) -> dict[int, Picture]:
    """Draw the worst runs, by their identity; each image is read once, one at a time."""
    runs_to_show = [
        ((result.set_name, run.case), run)
        for group in groups
        for result in group
        for run in worst(result.runs)
        if run.worst_answer is not None
    ]
    pictures_by_run: dict[int, Picture] = {}
    for key, same in groupby(sorted(runs_to_show, key=lambda w: w[0]), key=lambda w: w[0]):
        content: GroundTruth = cases[key].read()
        for _, run in same:
            pictures_by_run[id(run)] = picture(run, content)
    return pictures_by_run
