"""Results as the Markdown tables of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.evaluation.report.tables import COLUMNS

if TYPE_CHECKING:
    from napari_promptseg.evaluation.results import Result, Results

_TITLES: Final = {
    "click": "Clicks",
    "box": "A box alone",
    "scribble": "A scribble alone",
    "volume": "Volumes, clicks and propagation",
    "middle": "Volumes, from the true mask of the middle plane",
    "video": "Videos",
}


def markdown(results: Results, command: str) -> str:
    """Return a table for each task, with what ran, where, and on which weights.

    Parameters
    ----------
    results : Results
        The results; if the run did not end, that is said.
    command : str
        Command that made them.
    """
    machine = results.machine
    parts = [
        f"```bash\n{command}\n```",
        f"{results.package}, {results.begun[:10]}, {machine.processor}, {machine.cores} cores, "
        f"{machine.jobs} processes, device {machine.device}.",
    ]
    if not results.complete:
        parts.append("**The run was ended early; the figures are of what was finished.**")
    for task, title in _TITLES.items():
        rows = [result for result in results.results if result.task == task]
        if rows:
            parts += [f"#### {title}", _table(rows)]
    names = [f"`{name}`: {identity}" for name, identity in sorted(results.identities.items())]
    parts.append("Weights: " + "; ".join(names) + ".")
    return "\n\n".join(parts) + "\n"


def _table(results: list[Result]) -> str:
    columns = [
        column
        for column in COLUMNS[results[0].task]
        if any(column.key in result.summary for result in results)
    ]
    titles = [f"{column.group} {column.title}" for column in columns]
    rows = [["set", "objects", "backend", *titles], ["---"] * (3 + len(columns))]
    for result in results:
        cells = [result.set_name, f"{result.summary['objects']:.0f}", f"`{result.backend}`"]
        for column in columns:
            value = result.summary.get(column.key)
            cells.append("" if value is None else f"{value:.{column.digits}f}")
        rows.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
