"""The object table: rows that change, come and go, and the selection of many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtWidgets import QApplication

from napari_promptseg._napari.widgets.object_table import ObjectTable
from napari_promptseg.session.state import StoredObject

pytestmark = pytest.mark.gui


def objects(*labels: int) -> list[StoredObject]:
    return [StoredObject(label, f"cell {label}", (), ((0, 2), (0, 3))) for label in labels]


@pytest.fixture
def table(qapp: QApplication):
    table = ObjectTable(lambda label: None)
    yield table
    table.deleteLater()


def labels(table: ObjectTable) -> list[int]:
    return [item.label for item in table.selection()]


@pytest.mark.parametrize(
    ("after", "selected"),
    [
        (objects(1, 2, 3, 4, 5), [2, 4]),
        (objects(1, 2, 4), [2, 4]),
        (objects(1, 3, 5), []),
        (objects(2, 4, 7, 9), [2, 4]),
        (objects(), []),
    ],
    ids=["same", "fewer", "without them", "others", "none"],
)
def test_the_selection_stays_on_its_objects(table, after, selected) -> None:
    table.show_objects(objects(1, 2, 3, 4, 5))
    table.select(2, 4)
    selections: list[list[int]] = []
    table.selected.connect(selections.append)
    table.show_objects(after)
    assert labels(table) == selected
    assert list(table.model.rows) == after
    assert (selections[-1] if selections else [2, 4]) == selected


def test_one_object_that_changes_is_one_row_that_changes(table) -> None:
    before = objects(1, 2, 3)
    table.show_objects(before)
    table.select(3)
    changes, resets = [], []
    table.model.dataChanged.connect(lambda first, last: changes.append((first.row(), last.row())))
    table.model.modelReset.connect(lambda: resets.append(True))
    table.show_objects([before[0], replace(before[1], name="nucleus"), before[2]])
    assert changes == [(1, 1)]
    assert not resets
    assert table.model.index(1, 1).data() == "nucleus"
    assert labels(table) == [3]


def test_many_are_selected_with_one_event(table) -> None:
    table.show_objects(objects(*range(1, 1001)))
    selections: list[list[int]] = []
    table.selected.connect(selections.append)
    selection = [*range(5, 300), 500, *range(700, 900)]
    table.select(*selection)
    assert selections == [selection]


def test_columns_are_as_wide_as_their_longest_text(table) -> None:
    table.resize(500, 200)
    table.show()
    rows = objects(*range(1, 400))
    table.show_objects(rows)
    QApplication.processEvents()
    narrow = table.table.columnWidth(0)
    table.show_objects([*rows, *objects(123456789)])
    QApplication.processEvents()
    assert table.table.columnWidth(0) > narrow
