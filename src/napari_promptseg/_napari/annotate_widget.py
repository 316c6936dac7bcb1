"""The dock widget: click on an object, correct, propagate, commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QFrame,
    QLabel,
    QMainWindow,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_promptseg._napari.keybindings import VIEWER_KEYS, BoundKeys
from napari_promptseg._napari.layers.canvas import bind_clicks
from napari_promptseg._napari.layers.factory import TOOLS
from napari_promptseg._napari.presenters.advice import AdvicePresenter
from napari_promptseg._napari.presenters.confidence_review import ConfidenceReview
from napari_promptseg._napari.presenters.few_shot import FewShotPresenter
from napari_promptseg._napari.presenters.object_results import ObjectResults
from napari_promptseg._napari.presenters.recovery import Recovery, RecoveryBar
from napari_promptseg._napari.presenters.session_manager import SessionManager, layer_axes
from napari_promptseg._napari.widgets.few_shot import FewShotSection
from napari_promptseg._napari.widgets.file_dialogs import (
    SESSION_SUFFIX,
    ask_export,
    ask_load,
    ask_save,
)
from napari_promptseg._napari.widgets.image import ImageSection
from napari_promptseg._napari.widgets.object_table import ObjectTable
from napari_promptseg._napari.widgets.precompute import PrecomputeSection
from napari_promptseg._napari.widgets.propagation import PropagationSection
from napari_promptseg._napari.widgets.quality_notes import QualityNoteLine
from napari_promptseg._napari.widgets.refinement import RefinementSection
from napari_promptseg._napari.widgets.sections import (
    FileSection,
    ObjectSection,
    PromptSection,
    heading,
    key_help,
)
from napari_promptseg._napari.worker.main_thread import MainThreadRelay
from napari_promptseg.data.prompts import TextPrompt
from napari_promptseg.models.text_models import words_remedy

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Image

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.data.intensity_window import Window

NO_IMAGE = "Open an image, then click on an object."


class AnnotateWidget(QWidget):
    """Dock for interactive segmentation.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it is docked in.
    parent : QWidget, optional
        Parent widget.
    """

    _closed = True  # until the widget is made

    def __init__(self, napari_viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = napari_viewer
        self._closed = False
        self._heard: list[tuple[Any, Callable[..., None]]] = []
        self._window: QObject | None = None
        self._reads = False
        self._relay = MainThreadRelay()
        self.desk = SessionManager(napari_viewer, self._relay)
        self.recovery_bar = RecoveryBar()
        self.recovery = Recovery(self.recovery_bar, self.desk)
        self.images = ImageSection(napari_viewer)
        self.preparation = PrecomputeSection()
        self.refinement = RefinementSection()
        self.prompts = PromptSection()
        self.propagation = PropagationSection()
        self.objects = ObjectSection()
        self.object_list = ObjectTable(self._swatch)
        self.similar = FewShotSection()
        self.files = FileSection()
        self.keys = key_help()
        self.status = QLabel()
        self.notes = QualityNoteLine()
        self.views = ObjectResults(self.object_list, self.tell)
        self.sureness = ConfidenceReview(self.propagation, self.tell)
        self.advisor = AdvicePresenter(self.refinement, self.notes, self.tell, self._relay)
        self.classes = FewShotPresenter(
            self.similar, self.tell, self._relay, lambda: self.desk.busy
        )
        self._lay_out()
        self._connect()
        self._bound = BoundKeys(napari_viewer, VIEWER_KEYS, self._actions())
        self._forget_clicks = bind_clicks(napari_viewer, lambda: self.desk.current)
        self._show_binding(None)
        active = napari_viewer.layers.selection.active
        if active is not None and active in self.images.image.choices:
            self.images.choose(active)
        elif self.images.image.value is not None:
            self.images.choose(self.images.image.value)

    def _lay_out(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        column.addWidget(self.recovery_bar)
        column.addWidget(self.images.widget)
        column.addWidget(self.preparation)
        for section in (self.refinement, self.prompts, self.propagation, self.objects):
            column.addWidget(section)
        column.addWidget(heading("Objects"))
        column.addWidget(self.object_list, 1)
        column.addWidget(self.similar)
        column.addWidget(self.files)
        column.addWidget(self.keys)
        scroll = QScrollArea(self)
        scroll.setWidget(inner)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.status.setWordWrap(True)
        # Always there, so that nothing moves when a note comes or goes.
        bottom = QWidget()
        bottom.setMinimumHeight(4 * self.status.fontMetrics().height())
        lines = QVBoxLayout(bottom)
        lines.setContentsMargins(6, 4, 6, 4)
        lines.setSpacing(2)
        lines.addWidget(self.status)
        lines.addWidget(self.notes)
        lines.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(scroll, 1)
        outer.addWidget(bottom)
        self.setMinimumWidth(320)

    def _connect(self) -> None:
        images = self.images.events
        images.image.connect(self._choose)
        images.axes.connect(self._set_axes)
        images.window.connect(self._set_window)
        self.images.channels.chosen.connect(self._set_channels)
        images.model.connect(self.desk.set_model)
        images.models.connect(self._show_words)
        images.free.connect(lambda: self._call("free"))
        self.desk.events.chosen.connect(self._show_binding)
        self.desk.events.failed.connect(self._fail)
        self.desk.events.stuck.connect(self._tell_stuck)
        self.preparation.asked.connect(self._prepare)
        self.preparation.paused.connect(lambda: self._call("pause_preparing"))
        self.refinement.switched.connect(self.desk.refine)
        self.prompts.tool.connect(self._use)
        self.prompts.polarity.connect(self._set_polarity)
        self.prompts.word.connect(self._name)
        self.prompts.other.connect(lambda: self._call("choose_answer"))
        self.prompts.everything.connect(self._segment_everything)
        self.propagation.asked.connect(self._propagate)
        self.propagation.ranged.connect(lambda a, b: self._propagate("both", a, b))
        self.propagation.cancelled.connect(lambda: self._call("cancel"))
        self.propagation.chosen.connect(lambda name: self._call("set_propagator", name))
        self.objects.commit.connect(lambda name, over: self._call("commit", name, over))
        self.objects.discard.connect(lambda: self._call("discard"))
        self.objects.undo.connect(lambda: self._call("undo"))
        self.objects.redo.connect(lambda: self._call("redo"))
        self.object_list.reopen.connect(lambda label: self._call("reopen", label))
        self.object_list.delete.connect(lambda label: self._call("delete", label))
        self.object_list.renamed.connect(lambda label, name: self._call("rename", label, name))
        self.object_list.jump.connect(self._jump)
        self.object_list.lineage.connect(lambda name, arguments: self._call(name, *arguments))
        self.classes.events.adapted.connect(self.images.update_models)
        self.classes.events.named.connect(self.objects.show_name)
        self.classes.events.failed.connect(self._fail)
        self.recovery.events.status.connect(self.tell)
        self.recovery.events.failed.connect(self._fail)
        self.files.save.connect(self._save)
        self.files.load.connect(self._load)
        self.files.export.connect(self._export)

    # What the user does

    @property
    def binding(self) -> LayerSync | None:
        """The image in use with its layers, None if there is none."""
        return self.desk.current

    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "toggle_polarity": self._toggle_polarity,
            "next_tool": self._next_tool,
            "propagate": lambda: self._propagate("both"),
            "propagate_forward": lambda: self._propagate("forward"),
            "propagate_backward": lambda: self._propagate("backward"),
            "cancel": self._cancel,
            "review": self.sureness.review,
            "commit": self.objects.ask_commit,
            "discard": lambda: self._call("discard"),
            "toggle_mask": self._toggle_mask,
            "toggle_map": self.advisor.toggle_map,
            "choose_answer": lambda: self._call("choose_answer"),
            "suggest": self.advisor.suggest,
            "accept": lambda: self.classes.review.decide("accept"),
            "accept_all": lambda: self.classes.review.decide("accept all"),
            "reject": lambda: self.classes.review.decide("reject"),
            "next_proposal": lambda: self.classes.review.step(1),
            "previous_proposal": lambda: self.classes.review.step(-1),
        }

    def _call(self, name: str, *arguments: Any) -> None:
        """Call a method of the controller in use."""
        if self.binding is None:
            self.tell(NO_IMAGE)
            return
        self.binding.ensure_layers()
        getattr(self.binding.controller, name)(*arguments)

    def _choose(self, image: Image | None) -> None:
        if image is not None:
            self.images.show_window(image.metadata.get("promptseg", {}).get("window"))
        try:
            window = None if image is None else self.images.chosen_window(image)
            self.desk.choose(image, window, *self.images.model)
        except ValueError as error:
            self.desk.choose(None, None, *self.images.model)
            self._fail(error)

    def _set_axes(self, axes: str) -> None:
        binding = self.binding
        if binding is None:
            return
        if binding.controller.shown.can_undo and not self._confirm(
            "Other axes begin a new session: the objects of this image will be dropped."
        ):
            self.images.show_axes(*layer_axes(binding))
            return
        window = self.images.chosen_window(binding.image)
        try:
            self.desk.set_axes(axes, window, *self.images.model)
        except ValueError as error:
            self.images.show_axes(*layer_axes(binding))
            self._fail(error)

    def _confirm(self, text: str) -> bool:
        answer = QMessageBox.question(self, "PromptSeg", f"{text} Go on?")
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _set_channels(self, channels: tuple[int, ...]) -> None:
        if self.binding is not None:
            self.binding.controller.set_channels(channels)

    def _show_channels(self, binding: LayerSync) -> None:
        """Offer the channels of an image."""
        volume, layout = binding.controller.volume, binding.layout
        count = volume.data.shape[-1] if "c" in layout.axes and not layout.rgb else 1
        self.images.channels.show_channels(count, volume.channels or ())

    def _set_window(self, window: Window | str | None) -> None:
        if self.binding is not None:
            self.binding.controller.set_window(window)

    def _limits_changed(self, _: Any = None) -> None:
        if self.binding is not None and self.images.as_shown:
            self._set_window(self.images.chosen_window(self.binding.image))

    def _use(self, tool: str) -> None:
        if self.binding is None:
            self.tell(NO_IMAGE)
        else:
            self.binding.use(tool)

    def _next_tool(self) -> None:
        tools = list(TOOLS)
        self._use(tools[(tools.index(self.prompts.tool_in_use) + 1) % len(tools)])

    def _set_polarity(self, positive: bool) -> None:
        self.prompts.show_polarity(positive)
        if self.binding is not None:
            self.binding.set_polarity(positive)

    def _toggle_polarity(self) -> None:
        self._set_polarity(not self.prompts.positive)

    def _propagate(self, direction: str, first: int | None = None, last: int | None = None) -> None:
        if self.binding is not None:
            position = self.binding.view.position(self.viewer.dims.point)
            axis = self.propagation.chosen_axis
            self._call("propagate", direction, position, first, last, axis)

    def _cancel(self) -> None:
        """Stop a propagation; leave a model behind that does not answer any more."""
        if not self.desk.give_up():
            self._call("cancel")

    def _prepare(self) -> None:
        if self.binding is not None:
            self._call("prepare", self.binding.view.position(self.viewer.dims.point))

    def _name(self, word: str) -> None:
        if self.binding is None:
            return
        plane = self.binding.view.plane()
        if plane is None:
            self.tell("Words are looked for on one plane: go back to 2D first")
            return
        self._call("name", TextPrompt(word, plane.index))

    def _segment_everything(self) -> None:
        plane = None if self.binding is None else self.binding.view.plane()
        if plane is not None:
            self._call("segment_everything", plane)

    def _toggle_mask(self) -> None:
        if self.binding is not None:
            self.binding.toggle_mask()

    def _jump(self, stored: Any) -> None:
        if self.binding is not None:
            self.binding.jump_to(stored)

    def _save(self) -> None:
        path = ask_save(self)
        if path is not None:
            self._call("save", path)

    def _load(self) -> None:
        path = ask_load(self)
        if path is None:
            return
        self.tell(f"Loading {path.name} …")
        if path.name.endswith(SESSION_SUFFIX):
            self.desk.load(path)
        else:
            self._call("add_labels", path)

    def _export(self) -> None:
        path = ask_export(self)
        if path is not None and self.binding is not None:
            self.binding.controller.export(path, self.binding.colours())

    # What is shown

    def tell(self, text: str) -> None:
        """Say something in the status line."""
        self.status.setText(text)

    def _tell_stuck(self, seconds: float) -> None:
        self.tell(f"No answer for {seconds:.0f} s: wait, or press Shift+G to give up on it")

    def _fail(self, error: Exception) -> None:
        self.tell(f"Not done: {error}")
        show_error(str(error) or type(error).__name__)

    def _show_binding(self, binding: LayerSync | None) -> None:
        """Show another image in use; connect what it tells."""
        for section in (self.prompts, self.propagation, self.objects, self.object_list):
            section.setEnabled(binding is not None)
        self.files.save_button.setEnabled(binding is not None)
        self.files.export_button.setEnabled(binding is not None)
        if binding is None:
            self.object_list.show_objects(())
            self.views.follow(None)
            self.refinement.show_ability(None)
            self.advisor.follow(None)
            self.sureness.follow(None)
            self.classes.follow(None)
            self.tell(NO_IMAGE)
            self.recovery.look()
            return
        self._follow(binding)
        self.advisor.follow(binding)
        self.views.follow(binding)
        self.classes.follow(binding)
        self.images.show_axes(*layer_axes(binding))
        self._show_channels(binding)
        binding.set_polarity(self.prompts.positive)
        binding.use("click")
        self.propagation.show_axes(binding.layout.names, binding.controller.volume.shape)
        self.sureness.follow(binding)
        self.propagation.show_running(binding.controller.propagating)
        self._show_state(binding.controller.shown)
        self.recovery.look()

    def _follow(self, binding: LayerSync) -> None:
        """Hear a binding, and those before it no more."""
        self._unfollow()
        events = binding.controller.events
        self._heard = [
            (events.shown, self._show_state),
            (events.status, self.tell),
            (events.notice, show_warning),
            (events.progress, self.propagation.show_progress),
            (events.running, self.propagation.show_running),
            (events.failed, self._fail),
            (events.preparing, self.preparation.show_running),
            (events.prepared, self.preparation.show_progress),
            (events.devices, self.images.show_devices),
            (events.ability, self._show_ability),
            (binding.events.status, self.tell),
            (binding.events.tool, self.prompts.show_tool),
            (binding.image.events.contrast_limits, self._limits_changed),
        ]
        for signal, slot in self._heard:
            signal.connect(slot)

    def _unfollow(self) -> None:
        for signal, slot in self._heard:
            signal.disconnect(slot)
        self._heard = []

    def _show_state(self, state: Snapshot) -> None:
        self.objects.show_state(
            state.name, state.label, state.has_object, state.can_undo, state.can_redo
        )
        self.object_list.show_objects(state.objects)
        self.images.show_model(state.backend)
        self.propagation.show_way(state.propagator)

    def _show_ability(self, ability: ModelCapabilities) -> None:
        self.refinement.show_ability(ability)
        self.propagation.show_usable(ability.propagators)
        self.prompts.show_ability(ability.choices, ability.everything)
        self._reads = ability.reads
        self._show_words()
        self.preparation.show_ability(ability.costly)

    def _show_words(self) -> None:
        self.prompts.show_reading("" if self._reads else words_remedy())

    def _swatch(self, label: int) -> Any:
        return None if self.binding is None else self.binding.swatch(label)

    # The end

    def event(self, event: QEvent | None) -> bool:
        """See `QWidget`; finds out in which window it is docked, and when no longer."""
        if event is not None and event.type() == QEvent.Type.ParentChange and not self._closed:
            if self.parentWidget() is None:
                self.shutdown()
            else:
                self._relay(self._watch_window)
        return bool(super().event(event))

    def _watch_window(self) -> None:
        widget = self.parentWidget()
        while widget is not None and not isinstance(widget, QMainWindow):
            widget = widget.parentWidget()
        if widget is not None and self._window is None:
            self._window = widget
            widget.installEventFilter(self)

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
        """Stop all work, unbind the keys and let go of the layers; they stay as they are."""
        if self._closed:
            return
        self._closed = True
        self._relay.close()
        self._unfollow()
        self.advisor.release()
        self.sureness.release()
        self.views.release()
        self.classes.close()
        self._bound.release()
        self._forget_clicks()
        self.images.release()
        self.desk.close()
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
