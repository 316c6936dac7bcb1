"""Event filters: keys that widgets would swallow, the wheel over fields, fonts of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QFont, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QTableView,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROW_HEIGHT: Final = 22
"""Of tables in small fonts, in pixels."""


class KeyActions(QObject):
    """Runs actions for keys that are pressed on widgets of the dock.

    Installed as event filter on a list or table, whose search by letters it replaces.

    Parameters
    ----------
    actions : mapping of str to callable
        By key, such as "Ctrl+Z".
    repeatable : collection of str
        Keys that act again while they are held down.
    """

    def __init__(
        self,
        actions: Mapping[str, Callable[[], None]],
        repeatable: tuple[str, ...] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._actions = {QKeySequence(key).toString(): run for key, run in actions.items()}
        self._repeatable = {QKeySequence(key).toString() for key in repeatable}

    def run(self, event: QKeyEvent) -> bool:
        """Run the action of a key; return whether it has one."""
        key = QKeySequence(event.keyCombination()).toString()
        if key not in self._actions:
            return False
        if not event.isAutoRepeat() or key in self._repeatable:
            self._actions[key]()
        return True

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QObject`."""
        pressed = isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress
        return pressed and self.run(event)  # type: ignore[arg-type]


class KeyRepeats(KeyActions):
    """Repeats actions while a key is held on the canvas, where napari takes the first press."""

    def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QObject`."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        return event.isAutoRepeat() and self.run(event)


class WheelGuard(QObject):
    """Lets the wheel scroll the dock instead of changing fields without focus."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        for kind in (QComboBox, QAbstractSpinBox):
            for field in parent.findChildren(kind):
                field.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QObject`."""
        wheel = event is not None and event.type() == QEvent.Type.Wheel
        if event is None or not wheel or (isinstance(watched, QWidget) and watched.hasFocus()):
            return False
        event.ignore()  # it goes on to the scroll area
        return True


class FontFollower(QObject):
    """Gives tables and fields the font of napari's preferences, which its style leaves out.

    Parameters
    ----------
    content : QWidget
        Holds a label, whose font follows the preferences, and the tables and fields.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__(content)
        self._content = content
        label = content.findChild(QLabel)
        assert label is not None
        self._label = label
        label.installEventFilter(self)
        self._apply()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QObject`."""
        if event is not None and event.type() == QEvent.Type.FontChange:
            self._apply()
        return bool(super().eventFilter(watched, event))

    def _apply(self) -> None:
        font = QFont(self._label.font())
        font.setBold(False)
        for kind in (QLineEdit, QTableView, QAbstractSpinBox):
            for widget in self._content.findChildren(kind):
                widget.setFont(font)
        for table in self._content.findChildren(QTableView):
            rows = table.verticalHeader()
            if rows is not None:
                rows.setDefaultSectionSize(max(_ROW_HEIGHT, table.fontMetrics().height() + 6))
