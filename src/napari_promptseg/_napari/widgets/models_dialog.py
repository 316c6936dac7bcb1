"""Models dialog: all models with their state, and installation of model files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHeaderView,
    QInputDialog,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import thread_worker

from napari_promptseg._napari.widgets.sections import push_button, side_by_side
from napari_promptseg.models.catalog import Model, list_models, list_offers
from napari_promptseg.models.install_weights import add_model, remove_model

if TYPE_CHECKING:
    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_promptseg.models.catalog import Offer

_COLUMNS: Final = ("Model", "State", "Size", "Licence", "Prompts")
_MUTED: Final = QColor(150, 150, 150)
_HINT: Final = "Drop the file of a model here, or add it below. Nothing in it is executed."


class ModelsDialog(QDialog):
    """A table of models; files can be dropped on it.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    changed = Signal()
    """A file was added or removed."""
    freed = Signal()
    """The user wants the memory of the model in use back."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.setAcceptDrops(True)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        numbers = self.table.verticalHeader()
        if numbers is not None:
            numbers.setVisible(False)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.itemSelectionChanged.connect(self._selected)
        self.status = QLabel(_HINT)
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.add_button = push_button("Add file…", "A checkpoint as it was published", self._ask)
        self.remove_button = push_button(
            "Delete file", "Delete the file of the selected model", self._remove
        )
        self.free_button = push_button(
            "Free memory", "Unload the model in use; the next prompt loads it", self.freed.emit
        )
        column = QVBoxLayout(self)
        column.addWidget(self.table, 1)
        column.addWidget(self.status)
        column.addLayout(side_by_side(self.add_button, self.remove_button, self.free_button))
        self.resize(720, 480)
        self.refresh()

    def refresh(self) -> None:
        """Show all models as they are now."""
        self._offers = list(list_offers().values())
        self.table.setRowCount(len(self._offers))
        for row, offer in enumerate(self._offers):
            for at, text in enumerate(_row(offer)):
                item = QTableWidgetItem(text)
                hints = (offer.model.use or offer.model.title, offer.model.remedy)
                item.setToolTip("\n".join(filter(None, hints)))
                if offer.state != "ready":
                    item.setForeground(_MUTED)
                self.table.setItem(row, at, item)
        self.table.resizeColumnsToContents()
        titles = self.table.horizontalHeader()
        if titles is not None:
            titles.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._selected()

    def _model(self) -> Model | None:
        selected = self.table.selectedItems()
        return self._offers[selected[0].row()].model if selected else None

    def _selected(self) -> None:
        model = self._model()
        path = None if model is None else model.path
        self.remove_button.setEnabled(path is not None and path.exists())
        if model is not None:
            remedy = model.remedy[:1].upper() + model.remedy[1:]
            self.status.setText(remedy or f"{model.title} is ready.")

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Add the file of a model")
        if name:
            self.add(Path(name))

    def add(self, path: Path, name: str | None = None) -> None:
        """Check and copy a file on another thread; ask which model it is of if that is unclear."""
        self.status.setText(f"Checking and copying {path.name} …")
        self.add_button.setEnabled(False)

        @thread_worker
        def work() -> tuple[Model | None, str]:
            try:
                return add_model(path, name), ""
            except (ValueError, OSError, ImportError) as error:
                return None, str(error)

        def done(result: tuple[Model | None, str]) -> None:
            model, error = result
            self.add_button.setEnabled(True)
            if model is not None:
                self.refresh()
                self.status.setText(f"{model.title} is {model.state}. {model.remedy}".strip())
                self.changed.emit()
            elif name is None and "is not recognised" in error:
                self._ask_which(path)
            else:
                self.status.setText(f"Not added: {error}")

        self._worker = work()
        self._worker.returned.connect(done)
        self._worker.start()

    def _ask_which(self, path: Path) -> None:
        filed = {m.title: m.name for m in list_models().values() if m.file is not None}
        title, selected = QInputDialog.getItem(
            self, "Which model?", f"{path.name} is of:", list(filed), 0, False
        )
        if selected:
            self.add(path, filed[title])
        else:
            self.status.setText("Nothing was added.")

    def _remove(self) -> None:
        model = self._model()
        if model is not None:
            try:
                path = remove_model(model.name)
            except ValueError as error:
                self.status.setText(f"Not deleted: {error}")
                return
            self.refresh()
            self.status.setText(f"Deleted {path}")
            self.changed.emit()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802
        """See `QWidget`."""
        if event is not None and _dropped(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802
        """See `QWidget`; takes the first file."""
        paths = [] if event is None else _dropped(event.mimeData())
        if paths:
            self.add(paths[0])


def _dropped(data: Any) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def _row(offer: Offer) -> tuple[str, ...]:
    model = offer.model
    size = "" if model.size is None else f"{model.size / 1e6:.0f} MB"
    return model.title, offer.state, size, model.licence, ", ".join(model.prompts)
