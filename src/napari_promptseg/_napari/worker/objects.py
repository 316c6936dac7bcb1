"""Commands for the active object, committed objects and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import as_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.prompts import PromptCommands
    from napari_promptseg._napari.worker.propagation import PropagationCommands
    from napari_promptseg._napari.worker.requests import Edit
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.session.state import Classes

_MAX_LISTED: Final = 6
"""More objects than this are counted in messages, not listed."""
_OTHER_OBJECTS: Final = frozenset(
    {
        "accept proposals",
        "add labels",
        "change objects",
        "class",
        "classes",
        "color",
        "commit",
        "delete",
        "divide",
        "end track",
        "hide",
        "lock",
        "merge",
        "paint",
        "relabel",
        "rename",
        "segment each",
        "segment everything",
        "show",
        "unlink",
        "unlock",
    }
)
"""Steps of the history that change committed objects."""


class ObjectCommands:
    """Commit, discard, reopen, rename, delete, paint labels, undo and redo.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    propagation : PropagationCommands
        Stopped by whatever changes the object.
    prompts : PromptCommands
        Collected prompts are answered before a commit, and the first to be undone.
    """

    def __init__(
        self, proxy: SessionProxy, propagation: PropagationCommands, prompts: PromptCommands
    ) -> None:
        self._proxy, self._propagation, self._prompts = proxy, propagation, prompts

    def commit(
        self, name: str | None = None, overwrite: bool = False, class_name: str | None = None
    ) -> None:
        """Move the active object into the labels."""
        if not self._proxy.snapshot.has_object:
            self._proxy.events.status.emit("Nothing to commit yet: click on an object first")
            return
        self._propagation.forget_pause()
        are_objects = self._prompts.apart is not None and bool(self._prompts.collected)
        self._prompts.answer()
        if are_objects:  # they are committed with their answer
            return
        self._proxy.run(
            lambda session, _: _commit(session, name, overwrite, class_name),
            lambda label: self._proxy.events.status.emit(f"Committed object {label}"),
        )

    def discard(self) -> None:
        """Drop the active object; a reopened one becomes what it was before."""
        label = self._proxy.snapshot.label
        self._prompts.drop([*self._prompts.collected])
        self._propagation.cancel()
        if label is None:
            self._proxy.run(
                lambda session, _: session.discard(), self._proxy.say("Discarded the active object")
            )
        else:
            self._proxy.run(
                lambda session, _: _undo_reopening(session, label),
                self._proxy.say(f"Object {label} is as it was before it was reopened"),
            )

    def undo(self) -> None:
        """Undo the last step, or take back the last collected prompt."""
        if self._prompts.collected:
            self._prompts.drop(self._prompts.collected[-1:])
            self._proxy.events.status.emit("Took back the last collected prompt")
            self._proxy.emit_snapshot()
            return
        self._propagation.cancel()
        self._proxy.run(
            lambda session, _: self._step_history(session, session.undo), self._report_step("Undid")
        )

    def redo(self) -> None:
        """Redo the last undone step."""
        self._propagation.cancel()
        self._proxy.run(
            lambda session, _: self._step_history(session, session.redo), self._report_step("Redid")
        )

    @staticmethod
    def _step_history(session: AnySession, step: Callable[[], bool]) -> str | None:
        """Go through history; return the name of the step, None if there was none."""
        before = session.history
        is_change = step()
        return max(before, session.history, key=len)[-1] if is_change else None

    def _report_step(self, verb: str) -> Callable[[str | None], None]:
        def report(name: str | None) -> None:
            verbs = {"Undid": "undo", "Redid": "redo"}
            text = f"{verb} {name!r}" if name else f"Nothing to {verbs[verb]}"
            self._proxy.events.status.emit(text)

        return report

    def reopen(
        self, label: int, name: str = "", may_discard: Callable[[], bool] = lambda: False
    ) -> None:
        """Make a committed object the active one.

        Parameters
        ----------
        label : int
            Its id.
        name : str
            Name of the object that is active so far and is committed first.
        may_discard : callable
            Asked if that object cannot be committed, since others have all of its pixels.
        """
        self._propagation.cancel()

        def work(session: AnySession, _: Job) -> str:
            if label not in session.objects:
                raise ValueError(f"there is no object {label}; valid: {sorted(session.objects)}")
            text = f"Reopened object {label}"
            if session.draft.extent is not None and session.mask.any():
                if session.draft.label is None and _is_covered(session):
                    return ""
                committed = _commit(session, name or None, overwrite=False)
                text = f"Committed object {committed}, then reopened object {label}"
            session.reopen(label)
            return text

        def then(text: str) -> None:
            if text:
                self._proxy.events.status.emit(text)
            elif may_discard():
                self._proxy.run(_discard, lambda _: self.reopen(label))
            else:
                self._proxy.events.status.emit(f"Not reopened: {_covered_text()}")

        self._proxy.run(work, then)

    def rename(self, label: int, name: str) -> None:
        """Name a committed object."""
        self._proxy.run(
            lambda session, _: session.rename(label, name), self._proxy.say(f"Named it {name!r}")
        )

    def delete(self, labels: int | Sequence[int]) -> None:
        """Delete committed objects."""
        labels = as_labels(labels)
        self._proxy.run(
            lambda session, _: session.delete(labels),
            self._proxy.say(f"Deleted {objects_text(labels)}"),
        )

    def merge(self, labels: Sequence[int]) -> None:
        """Make one object of several."""
        self._proxy.run(
            lambda session, _: session.merge(labels),
            self._proxy.say(f"Merged {objects_text(labels)} into {labels[0]}"),
        )

    def set_attributes(self, labels: Sequence[int], **attributes: Any) -> None:
        """Set class, color, view or lock of committed objects; see `Session.set_attributes`."""
        self._proxy.run(lambda session, _: session.set_attributes(labels, **attributes))

    def set_classes(self, classes: Classes, new_names: Mapping[str, str]) -> None:
        """Replace the classes; see `Session.set_classes`."""
        self._proxy.run(lambda session, _: session.set_classes(classes, new_names))

    def paint_labels(self, edit: Edit) -> None:
        """Store pixels painted on the labels layer."""

        def work(session: AnySession, _: Job) -> None:
            values = session.labels[box_slices(edit.box)].copy()
            values[edit.mask] = edit.values[edit.mask]
            session.paint(edit.box, values)

        def settle(_: Job) -> None:
            self._proxy.note_change("labels", edit.box)

        self._proxy.run(work, self._proxy.say("Painted labels"), settle=settle)


def objects_text(labels: Sequence[int]) -> str:
    """Return ids as the user reads them, such as "objects 2, 3 and 7"."""
    if len(labels) == 1:
        return f"object {labels[0]}"
    if len(labels) > _MAX_LISTED:
        return f"{len(labels)} objects"
    return f"objects {', '.join(map(str, labels[:-1]))} and {labels[-1]}"


def _commit(
    session: AnySession, name: str | None, overwrite: bool, class_name: str | None = None
) -> int:
    extent = session.draft.extent
    if extent is None or not session.mask[box_slices(extent)].any():
        raise ValueError("nothing to commit: the active object is empty")
    try:
        return session.commit(name, overwrite, class_name)
    except ValueError as error:
        if overwrite:
            raise
        raise ValueError(_covered_text()) from error


def _covered_text() -> str:
    return (
        "all pixels of the active object belong to other objects: "
        f"tick Overwrite to take them, or discard it with {key_name('discard')}"
    )


def _is_covered(session: AnySession) -> bool:
    """Return True if other objects have all pixels of the active object."""
    assert session.draft.extent is not None
    part = box_slices(session.draft.extent)
    return not (session.mask[part] & (session.labels[part] == 0)).any()


def _discard(session: AnySession, _: Job) -> None:
    session.discard()


def _undo_reopening(session: AnySession, label: int) -> None:
    """Go back in history to before an object was reopened; redo brings the steps back.

    Raises
    ------
    ValueError
        If committed objects were changed in the meantime.
    """
    history = session.history
    first = len(history) - 1 - history[::-1].index("reopen")
    if _OTHER_OBJECTS.intersection(history[first + 1 :]):
        raise ValueError(
            f"other objects were changed since object {label} was reopened: "
            f"commit it with {key_name('commit')}, or undo with {key_name('undo')}"
        )
    while len(session.history) > first:
        session.undo()
