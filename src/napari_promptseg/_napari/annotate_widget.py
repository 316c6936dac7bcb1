"""The dock widget: click on an object, correct, propagate, commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QVBoxLayout, QWidget

from napari_promptseg._napari.commands import OPEN_DOCKS
from napari_promptseg._napari.keybindings import (
    CLASS_KEYS,
    LAYER_KEYS,
    BoundKeys,
    current_keys,
    key_name,
    key_text,
)
from napari_promptseg._napari.layers.canvas import bind_clicks
from napari_promptseg._napari.presenters.advice import AdvicePresenter
from napari_promptseg._napari.presenters.confidence_review import ConfidenceReview
from napari_promptseg._napari.presenters.few_shot import FewShotPresenter
from napari_promptseg._napari.presenters.files import FilePresenter
from napari_promptseg._napari.presenters.find_all import FindAllPresenter
from napari_promptseg._napari.presenters.image_series import ImageSeriesPresenter
from napari_promptseg._napari.presenters.images import ImagePresenter
from napari_promptseg._napari.presenters.label_edits import LabelEditPresenter
from napari_promptseg._napari.presenters.object_results import ObjectResults
from napari_promptseg._napari.presenters.objects import ObjectPresenter
from napari_promptseg._napari.presenters.orthogonal_views import OrthogonalViews
from napari_promptseg._napari.presenters.prompts import PromptPresenter
from napari_promptseg._napari.presenters.propagation import PropagationPresenter
from napari_promptseg._napari.presenters.recovery import Recovery, RecoveryBar
from napari_promptseg._napari.presenters.segment_each import EachPresenter
from napari_promptseg._napari.presenters.server_sessions import ServerSessionsPresenter
from napari_promptseg._napari.presenters.session_manager import SessionManager
from napari_promptseg._napari.presenters.status import StatusPresenter
from napari_promptseg._napari.presenters.tracks import TrackPresenter
from napari_promptseg._napari.widgets.active_object import ObjectSection
from napari_promptseg._napari.widgets.event_filters import (
    FontFollower,
    KeyActions,
    KeyRepeats,
    WheelGuard,
)
from napari_promptseg._napari.widgets.few_shot import FewShotSection
from napari_promptseg._napari.widgets.image import ImageSection
from napari_promptseg._napari.widgets.image_series import ImageSeriesBar
from napari_promptseg._napari.widgets.label_edits import LabelEditSection
from napari_promptseg._napari.widgets.object_table import ObjectTable
from napari_promptseg._napari.widgets.precompute import PrecomputeSection
from napari_promptseg._napari.widgets.propagation import PropagationSection
from napari_promptseg._napari.widgets.quality_notes import QualityNoteLine
from napari_promptseg._napari.widgets.questions import confirm
from napari_promptseg._napari.widgets.refinement import RefinementSection
from napari_promptseg._napari.widgets.sections import (
    FileSection,
    PromptSection,
    ScrollArea,
    collapsible,
    key_help,
)
from napari_promptseg._napari.widgets.segment_each import EachSection
from napari_promptseg._napari.widgets.status_line import StatusLine
from napari_promptseg._napari.widgets.tracks import TrackSection
from napari_promptseg._napari.worker.main_thread import call_later

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from qtpy.QtGui import QKeyEvent

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.connections import Presenter


class AnnotateWidget(QWidget):
    """Dock for interactive segmentation.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it is docked in.
    parent : QWidget, optional
        Parent widget.
    """

    _closed = True  # events come before `__init__` has run

    def __init__(self, napari_viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._closed = False
        self._window: QObject | None = None
        self._make_widgets()
        self._make_presenters()
        self._lay_out()
        # Windows that are closed before the event loop has run send no event to the dock.
        self.destroyed.connect(self.sessions.close)
        self.sessions.events.current.connect(self._follow)
        self._bind_keys()
        OPEN_DOCKS.add(self)
        self._unbind_clicks = bind_clicks(napari_viewer, self._image_in_hand)
        self._follow(None)
        active = napari_viewer.layers.selection.active
        if active is not None and active in self.images.image.choices:
            self.images.choose(active)
        elif self.images.image.value is not None:
            self.images.choose(self.images.image.value)

    def _bind_keys(self) -> None:
        actions = {name: partial(self._act, run) for name, run in self._actions().items()}
        self.commands = actions
        keys = tuple(current_keys().values())
        self._viewer_keys = BoundKeys(self.viewer, keys, actions)
        by_key = {key_text(key): actions[key.action] for key in keys}
        history = [key_name(key.action) for key in LAYER_KEYS]
        self._keys = KeyActions(by_key, tuple(history), self)
        for view in (self.object_table.table, self.similar.table, self.similar.queue):
            view.installEventFilter(self._keys)
        repeats = {
            key_name(key.action): partial(self._repeat, actions[key.action]) for key in LAYER_KEYS
        }
        self._repeats = KeyRepeats(repeats, tuple(repeats), self)

    def _act(self, action: Callable[[], None]) -> None:
        self._image_in_hand()
        action()

    def _repeat(self, action: Callable[[], None]) -> None:
        """Repeat undo or redo, unless the selected layer has a history of its own."""
        active, layer_sync = self.viewer.layers.selection.active, self.layer_sync
        if layer_sync is not None and (active is None or layer_sync.owns(active)):
            action()

    def _image_in_hand(self) -> LayerSync | None:
        """Use the selected image, if one is selected; return the image in use."""
        active, current = self.viewer.layers.selection.active, self.sessions.current
        beside = current is not None and current.owns(active)
        if active is not None and not beside and active in self.images.image.choices:
            self.images.choose(active)
        return self.sessions.current

    def _make_widgets(self) -> None:
        self.recovery_bar = RecoveryBar()
        self.series_bar = ImageSeriesBar()
        self.images = ImageSection(self.viewer)
        self.preparation = PrecomputeSection()
        self.refinement = RefinementSection()
        self.prompts = PromptSection()
        self.each = EachSection()
        self.propagation = PropagationSection()
        self.objects = ObjectSection()
        self.object_table = ObjectTable(self._swatch)
        self.tracks = TrackSection()
        self.edits = LabelEditSection()
        self.similar = FewShotSection()
        self.files = FileSection()
        self.keys = key_help()
        self.status = StatusLine()
        self.notes = QualityNoteLine()

    def _make_presenters(self) -> None:
        ask = partial(confirm, self)
        self.sessions = SessionManager(self.viewer, ask)
        status = self.status_presenter = StatusPresenter(self.status, self.sessions)
        self.recovery = Recovery(self.recovery_bar, self.sessions, status)
        self.image_presenter = ImagePresenter(
            self.images, self.refinement, self.preparation, self.sessions, status, ask
        )
        self.prompt_presenter = PromptPresenter(self.prompts, status.show)
        self.each_presenter = EachPresenter(
            self.each,
            self.prompts,
            status.show,
            self.objects.naming,
            lambda: self.propagation.chosen_axis,
        )
        self.propagation_presenter = PropagationPresenter(
            self.propagation, self.sessions, status.show
        )
        self.object_presenter = ObjectPresenter(self.objects, self.object_table, status.show, ask)
        self.file_presenter = FilePresenter(
            self.files, self.sessions, status.show, ask, lambda: self.objects.name.text().strip()
        )
        self.server_sessions = ServerSessionsPresenter(
            self.files, self.images, self.sessions, status, ask
        )
        self.series = ImageSeriesPresenter(
            self.series_bar, self.images, self.sessions, status, ask, self.objects.ask_commit
        )
        self.files.folder.connect(self.series.ask_folder)
        self.orthogonal = OrthogonalViews(self.viewer, status.show)
        self.images.views_button.clicked.connect(self.orthogonal.toggle)
        self.edit_presenter = LabelEditPresenter(self.edits, self.object_table, status.show)
        self.results = ObjectResults(self.object_table, status.show)
        self.track_presenter = TrackPresenter(
            self.tracks, self.object_table, self.results, status.show, ask
        )
        self.confidence_review = ConfidenceReview(self.propagation, status.show)
        self.advice = AdvicePresenter(self.refinement, self.notes, status.show)
        self.few_shot = FewShotPresenter(self.similar, status, lambda: self.sessions.busy)
        self.few_shot.events.adapted.connect(self.images.update_models)
        self.few_shot.events.class_name.connect(self.objects.show_name)
        self.find_all = FindAllPresenter(
            self.prompts, self.similar, self.few_shot.review, status.show
        )
        self.object_table.selected.connect(status.show_selected)
        self.images.events.models.connect(self.prompt_presenter.show_text_remedy)
        self._presenters: tuple[Presenter, ...] = (
            status,
            self.image_presenter,
            self.prompt_presenter,
            self.each_presenter,
            self.propagation_presenter,
            self.object_presenter,
            self.edit_presenter,
            self.series,
            self.orthogonal,
            self.file_presenter,
            self.server_sessions,
            self.results,
            self.track_presenter,
            self.confidence_review,
            self.advice,
            self.few_shot,
            self.find_all,
        )

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        settings = collapsible("Image and model")
        for part in (self.images.settings, self.refinement):
            settings.addWidget(part)
        for section in (
            self.recovery_bar,
            self.series_bar,
            self.images.widget,
            self.preparation,
            self.prompts,
            self.each,
            self.propagation,
            self.objects,
        ):
            column.addWidget(section)
        column.addWidget(self.object_table, 1)
        column.addWidget(self.tracks)
        edits = collapsible("Edit objects")
        edits.addWidget(self.edits)
        for section in (edits, self.files, settings, self.similar, self.keys):
            column.addWidget(section)
        self._scroll = ScrollArea(inner)
        WheelGuard(inner)
        FontFollower(inner)
        # Always there, so that nothing moves when a note comes or goes.
        bottom = QWidget()
        bottom.setMinimumHeight(5 * self.status.fontMetrics().height())
        lines = QVBoxLayout(bottom)
        lines.setContentsMargins(6, 4, 6, 4)
        lines.setSpacing(2)
        lines.addWidget(self.status)
        lines.addWidget(self.notes)
        lines.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self._scroll, 1)
        outer.addWidget(bottom)

    @property
    def layer_sync(self) -> LayerSync | None:
        """The image in use with its layers, None if there is none."""
        return self.sessions.current

    def _actions(self) -> dict[str, Callable[[], None]]:
        prompts, propagation = self.prompt_presenter, self.propagation_presenter
        objects, review = self.object_presenter, self.few_shot.review
        return {
            "toggle_polarity": prompts.toggle_polarity,
            "next_tool": prompts.next_tool,
            "propagate": propagation.propagate,
            "propagate_forward": partial(propagation.propagate, "forward"),
            "propagate_backward": partial(propagation.propagate, "backward"),
            "cancel": propagation.cancel,
            "undo": objects.undo,
            "redo": objects.redo,
            "review": self.confidence_review.review,
            "commit": self.objects.ask_commit,
            "discard": objects.discard,
            "reopen": objects.reopen_selected,
            "delete": objects.delete_selected,
            "merge": objects.merge_selected,
            "hide": objects.toggle_hidden,
            **{
                key.action: partial(self.objects.classes.choose_number, number)
                for number, key in enumerate(CLASS_KEYS)
            },
            "toggle_mask": objects.toggle_mask,
            "toggle_map": self.advice.toggle_map,
            "choose_answer": prompts.choose_answer,
            "suggest": self.advice.suggest,
            "collect": prompts.toggle_collecting,
            "answer": prompts.answer,
            "orthogonal_views": self.orthogonal.toggle,
            "next_image": partial(self.series.step, 1),
            "previous_image": partial(self.series.step, -1),
            "accept": partial(review.decide, "accept"),
            "accept_all": partial(review.decide, "accept all"),
            "reject": partial(review.decide, "reject"),
            "next_proposal": partial(review.step, 1),
            "previous_proposal": partial(review.step, -1),
        }

    def _follow(self, layer_sync: LayerSync | None) -> None:
        """Let all presenters show another image, or none."""
        for presenter in self._presenters:
            presenter.follow(layer_sync)
        self.recovery.look()

    def _swatch(self, label: int) -> Any:
        return self.object_presenter.swatch(label)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """See `QWidget`; keys of the viewer act in the dock too."""
        if event is not None and not (self._closed or not self._keys.run(event)):
            event.accept()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """See `QWidget`; finds out in which window it is docked, and when no longer."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self._closed:
            if self.parentWidget() is None:
                self.shutdown()
            else:
                call_later(self._watch_window)
        return bool(super().event(event))

    def _watch_window(self) -> None:
        widget = None if self._closed else self.parentWidget()
        while widget is not None and not isinstance(widget, QMainWindow):
            widget = widget.parentWidget()
        if widget is not None and self._window is None:
            self._window = widget
            widget.installEventFilter(self)
            for canvas in widget.findChildren(QOpenGLWidget):
                canvas.installEventFilter(self._repeats)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """See `QObject`; ends all work when the window closes for good.

        A close that the user asked for can still be refused by napari; hiding follows if not.
        """
        ends = (QEvent.Type.Close, QEvent.Type.Hide)
        mine = event is not None and watched is self._window and event.type() in ends
        if mine and event is not None and not event.spontaneous():
            self.shutdown()
        return False

    def shutdown(self) -> None:
        """Stop all work, unbind the keys and release the layers; they stay as they are."""
        if self._closed:
            return
        self._closed = True
        OPEN_DOCKS.discard(self)
        for presenter in self._presenters:
            presenter.follow(None)
        self.few_shot.close()
        self._viewer_keys.release()
        self._unbind_clicks()
        self.images.release()
        self.sessions.close()
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
