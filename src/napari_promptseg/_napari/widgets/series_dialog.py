"""Series dialog: choice among the DICOM series of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.io.dicom import Series


class SeriesDialog(QDialog):
    """A list of series to tick; the one with the most files is ticked already.

    Parameters
    ----------
    series : sequence of Series
        What there is.
    """

    def __init__(self, series: Sequence[Series]) -> None:
        super().__init__()
        self.setWindowTitle("Several DICOM series")
        self.resize(520, 320)
        self._series = series
        self.list = QListWidget()
        largest = max(series, key=lambda one: one.files)
        for one in series:
            item = QListWidgetItem(str(one))
            item.setToolTip(one.uid)
            state = Qt.CheckState.Checked if one is largest else Qt.CheckState.Unchecked
            item.setCheckState(state)
            self.list.addItem(item)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(QLabel("The folder holds several series. Open which?"))
        column.addWidget(self.list)
        column.addWidget(buttons)

    @property
    def chosen(self) -> list[Series]:
        """Series that are ticked."""
        items = (self.list.item(row) for row in range(self.list.count()))
        ticked = [i is not None and i.checkState() == Qt.CheckState.Checked for i in items]
        return [one for one, yes in zip(self._series, ticked, strict=True) if yes]


def choose_series(series: Sequence[Series]) -> list[Series]:
    """Ask which series to open.

    Raises
    ------
    ValueError
        If the user wants none: there is nothing to open then.
    """
    dialog = SeriesDialog(series)
    if not dialog.exec() or not dialog.chosen:
        raise ValueError("no series was chosen")
    return dialog.chosen
