"""Sections of the dock; they know nothing of sessions and layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QEvent, QObject, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_promptseg._napari.keybindings import help_rows, key_name
from napari_promptseg._napari.layers.prompt_layers import color
from napari_promptseg._napari.widgets.icons import dot_icon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QResizeEvent

TOOL_TIPS: Final = {
    "Click": "Click on the object; Ctrl+click on what does not belong to it",
    "Box": "Drag a box around the object",
    "Scribble": "Draw a stroke on the object",
    "Lasso": "Draw an outline around the object",
}
_MIN_WIDTH: Final = 320
_TEXT_MARGIN: Final = 1
"""Room beside the text of a button, in characters."""
_NAME_IT: Final = "Or name the object, then press Enter"


def push_button(
    text: str, tip: str, clicked: Callable[[], Any] | None = None, action: str = ""
) -> QPushButton:
    """Return a button that leaves the keys to the viewer after a click.

    Parameters
    ----------
    text, tip : str
        What it says, and its explanation.
    clicked : callable, optional
        Called when it is clicked.
    action : str
        Action of the keyboard that does the same; the tip names its key.
    """
    button = QPushButton(text)
    button.setToolTip(f"{tip} ({key_name(action)})" if action else tip)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    if clicked is not None:
        button.clicked.connect(lambda _=False: clicked())
    return button


def side_by_side(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets side by side; three and more buttons get room by the length of their text."""
    row = QHBoxLayout()
    row.setSpacing(4)
    buttons = [widget for widget in widgets if isinstance(widget, QPushButton)]
    for widget in widgets:
        row.addWidget(widget)
    if len(buttons) == len(widgets) > 2:
        for column, button in enumerate(buttons):
            row.setStretch(column, _TEXT_MARGIN + len(button.text()))
    return row


def heading(text: str) -> QLabel:
    """Return the title of a section."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold;")
    return label


def collapsible(title: str) -> QCollapsible:
    """Return a folded part of the dock."""
    folded = QCollapsible(title, expandedIcon="▼", collapsedIcon="▶")
    layout = folded.layout()
    if layout is not None:
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
    return folded


class ScrollArea(QScrollArea):
    """Scroll area that is as wide as its content needs, up to a third of the window.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setMinimumWidth(_MIN_WIDTH)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QScrollArea`; follows a content that becomes wider."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return bool(super().eventFilter(watched, event))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """See `QScrollArea`; follows a window that becomes wider."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        content, bar, viewport = self.widget(), self.verticalScrollBar(), self.viewport()
        if content is None or bar is None or viewport is None:
            return
        beside = max(bar.sizeHint().width(), self.width() - viewport.width())
        wide = content.minimumSizeHint().width() + beside
        # In the largest fonts it scrolls sideways, so that the image keeps some room.
        window = self.window()
        limit = 0 if window is None else window.width() // 3
        self.setMinimumWidth(max(min(wide, limit), _MIN_WIDTH))


class Section(QWidget):
    """A column of rows under a title."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)
        if title:
            self.column.addWidget(heading(title))


class PromptSection(Section):
    """Tools and polarity."""

    tool = Signal(str)
    polarity = Signal(bool)
    word = Signal(str)
    other = Signal()
    collect = Signal(bool)
    answer = Signal()
    everything = Signal(bool)
    """All objects are to be found: of the plane in view, or of the whole image."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Prompt", parent)
        self._apart = False
        self.tools: dict[str, QPushButton] = {}
        self._tools = QButtonGroup(self)
        for text, tip in TOOL_TIPS.items():
            name = text.lower()
            button = push_button(text, tip, partial(self.tool.emit, name))
            button.setCheckable(True)
            self._tools.addButton(button)
            self.tools[name] = button
        self.tools["click"].setChecked(True)
        self.column.addLayout(side_by_side(*self.tools.values()))
        self.polarities: dict[bool, QPushButton] = {}
        self._polarities = QButtonGroup(self)
        for positive, text, tip in (
            (True, "Positive", "Prompts say where the object is"),
            (False, "Negative", "Prompts say where the object is not"),
        ):
            button = push_button(text, f"{tip} (Q switches)")
            button.setCheckable(True)
            button.setIcon(dot_icon(color(positive)))
            button.clicked.connect(partial(self._polarity_clicked, positive))
            self._polarities.addButton(button)
            self.polarities[positive] = button
        self.polarities[True].setChecked(True)
        self.column.addLayout(side_by_side(*self.polarities.values()))
        self.text = QLineEdit()
        self.text.setPlaceholderText(_NAME_IT)
        self.text.returnPressed.connect(self._word_entered)
        self.column.addWidget(self.text)
        self.other_button = push_button(
            "Other answer",
            "Take the model's next best answer",
            self.other.emit,
            action="choose_answer",
        )
        self.everything_button = push_button(
            "Find all",
            "Propose all objects, without prompts and examples",
            self._find_clicked,
        )
        self.where = QMenu(self)
        self.where.addAction("On this plane", partial(self.everything.emit, False))
        self._whole = QAction(self)
        self._whole.triggered.connect(lambda _: self.everything.emit(True))
        self.where.addAction(self._whole)
        self.offer_whole("")
        self.collect_button = push_button(
            "Collect", "Give several prompts, then have one answer", action="collect"
        )
        self.collect_button.setCheckable(True)
        self.collect_button.clicked.connect(self._collect_clicked)
        self.answer_button = push_button(
            "Answer", "Answer all collected prompts", self.answer.emit, action="answer"
        )
        self.column.addLayout(side_by_side(self.collect_button, self.answer_button))
        self._more = QWidget()
        row = side_by_side(self.other_button, self.everything_button)
        row.setContentsMargins(0, 0, 0, 0)
        self._more.setLayout(row)
        self.column.addWidget(self._more)
        # As with the shipped model, so that little moves when it is loaded.
        self.show_capabilities(2)
        self.other_button.setEnabled(False)
        self.show_collected(0)
        self.text.hide()

    def offer_whole(self, text: str) -> None:
        """Offer to find all objects of the whole image, in these words; not if they are empty."""
        self.everything_button.setText("Find all ▾" if text else "Find all")
        self._whole.setText(text)
        self._whole.setVisible(bool(text))

    def _find_clicked(self) -> None:
        if self._whole.isVisible():
            self.where.popup(
                self.everything_button.mapToGlobal(self.everything_button.rect().bottomLeft())
            )
        else:
            self.everything.emit(False)

    def _collect_clicked(self, on: bool) -> None:
        self.collect.emit(on)

    def show_collected(self, count: int) -> None:
        """Show how many prompts wait."""
        verb = "Segment" if self._apart else "Answer"
        self.answer_button.setText(f"{verb} {count}" if count else verb)
        self.answer_button.setEnabled(count > 0)

    def show_apart(self, apart: bool) -> None:
        """Show whether prompts mark an object each: they are collected then in any case."""
        self._apart = apart
        self.collect_button.setEnabled(not apart)
        self.show_collected(0)

    def _word_entered(self) -> None:
        if word := self.text.text().strip():
            self.text.clearFocus()  # the keys go back to the viewer
            self.word.emit(word)

    def show_reading(self, remedy: str) -> None:
        """Offer words, or say what to do so that they are understood."""
        self.text.setEnabled(not remedy)
        self.text.setVisible(not remedy)
        self.text.setToolTip(remedy or "Looks for it on the plane in view; clicks go on from there")

    def show_capabilities(self, choices: int) -> None:
        """Show the button for what few models can do."""
        self.other_button.setVisible(choices > 1)

    def _polarity_clicked(self, positive: bool, _: bool = False) -> None:
        self.polarity.emit(positive)

    @property
    def tool_in_use(self) -> str:
        """Name of the tool that is active."""
        return next(name for name, button in self.tools.items() if button.isChecked())

    @property
    def positive(self) -> bool:
        """True if prompts say where the object is."""
        return bool(self.polarities[True].isChecked())

    def show_tool(self, tool: str) -> None:
        """Show which tool is active."""
        self.tools[tool].setChecked(True)

    def show_polarity(self, positive: bool) -> None:
        """Show what prompts say."""
        self.polarities[positive].setChecked(True)


class FileSection(Section):
    """Sessions and labels in files."""

    save = Signal()
    load = Signal()
    export = Signal()
    folder = Signal()
    server = Signal()
    add_layer = Signal(int)
    """Row of the labels layer whose objects are to be added."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.save_button = push_button("Save…", "Everything: prompts, labels, history")
        self.save_button.clicked.connect(self.save)
        self.load_button = push_button("Load…", "Go on with a saved session, or with labels")
        self.load_button.clicked.connect(self.load)
        self.export_button = push_button("Export…", "Labels, meshes, a table of sizes, tracks …")
        self.export_button.clicked.connect(self.export)
        self.folder_button = push_button(
            "Folder…", "A folder of images as a series: next, previous, saved beside"
        )
        self.folder_button.clicked.connect(self.folder)
        self.server_button = push_button("", "", self.server.emit)
        self.column.addLayout(side_by_side(self.save_button, self.load_button, self.export_button))
        self.column.addLayout(side_by_side(self.folder_button, self.server_button))
        self.labels_layer = QComboBox()
        self.labels_layer.setToolTip("Labels layers of the viewer that fit the image")
        self.labels_layer.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.labels_layer.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        add = push_button("Add objects of", "Go on with the objects of this labels layer")
        add.clicked.connect(lambda: self.add_layer.emit(self.labels_layer.currentIndex()))
        self.layer_row = QWidget()
        row = side_by_side(add, self.labels_layer)
        row.setContentsMargins(0, 0, 0, 0)
        self.layer_row.setLayout(row)
        self.column.addWidget(self.layer_row)
        self.show_labels_layers(())
        self.show_server(None)

    def show_server(self, server: str | None) -> None:
        """Offer a session on a server, or the way back from it."""
        self.server_button.setText("Leave server" if server else "Server…")
        tip = "A session that another computer keeps, with its model"
        self.server_button.setToolTip(
            f"Go on here; the session stays on {server}" if server else tip
        )
        self.save_button.setToolTip(
            f"{server} keeps everything" if server else "Everything: prompts, labels, history"
        )

    def show_labels_layers(self, names: Sequence[str]) -> None:
        """Offer labels layers by name; hidden where there is none."""
        before = self.labels_layer.currentText()
        self.labels_layer.clear()
        self.labels_layer.addItems(list(names))
        self.labels_layer.setCurrentIndex(max(self.labels_layer.findText(before), 0))
        self.layer_row.setVisible(bool(names))


def key_help() -> QCollapsible:
    """Return the keymap, for the user to read."""
    inner = QWidget()
    grid = QGridLayout(inner)
    grid.setContentsMargins(4, 4, 4, 0)
    grid.setVerticalSpacing(1)
    for row, (key, text) in enumerate(help_rows()):
        grid.addWidget(heading(key), row, 0, Qt.AlignmentFlag.AlignTop)
        meaning = QLabel(text)
        meaning.setWordWrap(True)
        meaning.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        grid.addWidget(meaning, row, 1)
    grid.setColumnStretch(1, 1)
    folded = collapsible("Keys")
    folded.addWidget(inner)
    return folded
