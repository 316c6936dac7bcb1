"""Presenter of the status line: messages, errors, the next step."""

from __future__ import annotations

from traceback import format_exception
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_error, show_warning

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.worker.job_queue import is_user_error
from napari_promptseg.session.propagation_record import PropagationRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.session_manager import SessionManager
    from napari_promptseg._napari.widgets.status_line import StatusLine
    from napari_promptseg._napari.worker.snapshot import Snapshot

NO_IMAGE: Final = "Open an image, then click on an object."


class StatusPresenter:
    """Shows what happened and what can be done next.

    Parameters
    ----------
    line : StatusLine
        Where it is shown.
    sessions : SessionManager
        The images.
    """

    def __init__(self, line: StatusLine, sessions: SessionManager) -> None:
        self._line = line
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._loading = False
        self._selected: tuple[int, ...] = ()
        self._surrounding: int | None = None
        sessions.events.failed.connect(self.show_error)
        sessions.events.status.connect(self.show)
        sessions.events.stuck.connect(self._show_stuck)
        sessions.events.busy.connect(line.show_busy)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync, self._loading = layer_sync, layer_sync is not None
        if layer_sync is None:
            self.show(NO_IMAGE)
            self._line.show_hint("")
            return
        events = layer_sync.controller.events
        self._connections.connect(events.status, self.show)
        self._connections.connect(events.notice, show_warning)
        self._connections.connect(events.failed, self.show_error)
        self._connections.connect(events.snapshot, self._show_next_step)
        self._connections.connect(events.running, self._show_running)
        self._connections.connect(events.capabilities, self._model_loaded)
        self._connections.connect(events.failed, self._model_loaded)
        self._connections.connect(layer_sync.events.status, self.show)
        self._connections.connect(layer_sync.events.begun_inside, self._show_surrounding)
        self._show_next_step(layer_sync.controller.snapshot)

    def show(self, text: str) -> None:
        """Show a message."""
        self._line.show_message(text)

    def show_error(self, error: Exception) -> None:
        """Show an error as a sentence, with its traceback behind a button."""
        text = error_text(error)
        self._line.show_message(text, "".join(format_exception(error)))
        show_error(text)

    def _show_stuck(self, seconds: float) -> None:
        self.show(f"No answer for {seconds:.0f} s: wait, or press {key_name('cancel')} to give up")

    def _show_next_step(self, state: Snapshot) -> None:
        if self._layer_sync is None:
            return
        if self._loading:
            self._line.show_hint("Clicks are answered as soon as the model is there.")
        elif self._layer_sync.controller.propagation.running:
            stop = key_name("cancel")
            self._line.show_hint(f"Click what is wrong at any time; {stop} stops, and keeps it.")
        elif self._layer_sync.controller.each.mode:
            answer = key_name("answer")
            self._line.show_hint(f"Click on every object; {answer} segments all of them.")
        elif self._selected and not state.has_object:
            self._line.show_hint(_selected_text(len(self._selected)))
        elif self._surrounding is not None and len(state.prompts) == 1:
            keep = f"{key_name('commit')} keeps a new one"
            self._line.show_hint(
                f"This is on object {self._surrounding}: Reopen corrects it, {keep}."
            )
        else:
            self._surrounding = None
            self._line.show_hint(next_step(state, self._layer_sync.layout.names))

    def _show_surrounding(self, label: int) -> None:
        self._surrounding = label

    def show_selected(self, labels: Sequence[int]) -> None:
        """Say what can be done with the selected objects."""
        self._selected = tuple(labels)
        self._show_running(False)

    def _show_running(self, _: bool) -> None:
        if self._layer_sync is not None:
            self._show_next_step(self._layer_sync.controller.snapshot)

    def _model_loaded(self, _: object) -> None:
        self._loading = False
        self._show_running(False)


def _selected_text(count: int) -> str:
    """Return what can be done with selected objects."""
    delete = f"{key_name('delete')} deletes"
    if count > 1:
        return f"{key_name('merge')} merges them, {delete}, {key_name('hide')} hides them."
    reopen = key_name("reopen")
    return f"{reopen} corrects it, {delete} it; a click on it begins one inside of it."


def error_text(error: Exception) -> str:
    """Return what an error means to the user: its message, or that there is a bug."""
    if is_user_error(error) and str(error):
        return f"{error}"
    return (
        f"Not done because of a bug in PromptSeg ({type(error).__name__}); nothing was changed. "
        "Copy the details into a report, please."
    )


def next_step(state: Snapshot, names: str) -> str:
    """Return what the user can do next.

    Parameters
    ----------
    state : Snapshot
        Of the session.
    names : str
        Axes of the volume, without channel.
    """
    if not state.has_object:
        if not state.objects:
            return "Click on an object."
        return "Click on the next object, or Export… the labels."
    steps = ["Ctrl+click what is wrong"]
    if len(names) > 2 and state.propagated == PropagationRecord():
        planes = "time points" if names == "tyx" else "planes"
        steps.append(f"{key_name('propagate')} for all {planes}")
    elif len(names) > 2:
        steps.append(f"{key_name('review')} for the least sure plane")
    steps.append(f"{key_name('commit')} to keep it")
    return ", ".join(steps) + "."
