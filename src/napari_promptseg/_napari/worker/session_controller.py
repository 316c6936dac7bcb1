"""What the user does, as calls of a session on the worker. No widget and no layer in it."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg._napari.worker.model_capabilities import ModelCapabilities, refine
from napari_promptseg._napari.worker.objects import ObjectCommands
from napari_promptseg._napari.worker.precompute import PrecomputeCommands
from napari_promptseg._napari.worker.propagation import PropagationCommands
from napari_promptseg._napari.worker.proposals import ProposalCommands
from napari_promptseg.data.geometry import Plane, box_slices
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.prompts import check_prompt, prompt_plane
from napari_promptseg.models.text_models import TextMatch, UnknownWordError
from napari_promptseg.session.persistence.containers import Archive, read_header
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.requests import Edit
    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.data.prompts import Prompt, TextPrompt
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.state import Colour
    from napari_promptseg.wrappers.options import Refinement


_VERSIONS = 3
"""Former versions of a saved session that stay beside it."""


class SessionController(PropagationCommands, PrecomputeCommands, ProposalCommands, ObjectCommands):
    """Turns what the user does into calls of the session; parameters: see `SessionProxy`."""

    def give_up(self) -> bool:
        """See `SessionProxy.give_up`; the model is loaded anew with the next prompt."""
        given_up = super().give_up()
        if given_up:
            self.events.status.emit("Given up: what was done before is as it was")
        return given_up

    # Prompts

    def add(self, prompt: Prompt) -> None:
        """Add a prompt; prompts of one plane that wait together get one answer.

        A propagation that runs makes way: it goes on after the answer, with what the user
        said now.

        Raises
        ------
        ValueError
            If it is not valid in the volume.
        """
        asked = perf_counter()
        prompt = check_prompt(prompt, self.volume.names, self.volume.shape)
        plane = prompt_plane(prompt, self.volume.names)
        self.pause()
        self._waiting.append(prompt)

        def work(session: Session, job: Job) -> None:
            session.add_prompts(job.items)

        def settle(job: Job) -> None:
            for answered in job.items:
                self._waiting.remove(answered)

        def then(_: None) -> None:
            milliseconds = 1000 * (perf_counter() - asked)
            kind = prompt.kind.capitalize()
            going_on = "; propagating on" if self.resume(plane) else ""
            self.events.status.emit(f"{kind} answered in {milliseconds:.0f} ms{going_on}")

        self._do(work, then, key=plane, items=[prompt], settle=settle)
        self.events.shown.emit(self.shown)

    def name(self, word: TextPrompt) -> None:
        """Name the object; what came of it is told, also that nothing is called so there."""
        asked = perf_counter()
        plane = prompt_plane(word, self.volume.names)
        self.pause()

        def work(session: Session, _: Job) -> TextMatch | UnknownWordError:
            try:
                session.add(word)
            except UnknownWordError as unknown:
                return unknown
            assert session.named is not None
            return session.named

        def then(found: TextMatch | UnknownWordError) -> None:
            said = str(found)
            if isinstance(found, TextMatch):
                said = f"{found.model} found {found.text!r}: sure {found.confidence:.2f}"
                self.events.word.emit(plane, found.probability)
            milliseconds = 1000 * (perf_counter() - asked)
            going_on = "; propagating on" if self.resume(plane) else ""
            self.events.status.emit(f"{said} ({milliseconds:.0f} ms){going_on}")

        self.events.status.emit(f"Looking for {word.text!r} …")
        self._do(work, then)

    def remove(self, prompts: Sequence[Prompt]) -> None:
        """Take prompts back, each with an answer of its own."""
        self.cancel()
        for prompt in prompts:
            self._removing.append(prompt)

            def work(session: Session, _: Job, prompt: Prompt = prompt) -> None:
                # A failed or undone prompt is gone already.
                if prompt in session.prompts:
                    session.remove_prompt(session.prompts.index(prompt))

            def settle(_: Job, prompt: Prompt = prompt) -> None:
                self._removing.remove(prompt)

            self._do(work, self._say(f"Removed a {prompt.kind}"), settle=settle)
        self.events.shown.emit(self.shown)

    def choose_answer(self) -> None:
        """Take another of the answers to the last prompt."""
        self.cancel()
        self._do(
            lambda session, _: session.choose(),
            lambda number: self.events.status.emit(f"Answer {number + 1} of the model"),
        )

    def segment_everything(self, plane: Plane) -> None:
        """Commit all objects that the model finds on a plane without prompts."""

        def then(labels: list[int]) -> None:
            text = f"Found {len(labels)} objects" if labels else "Found nothing on this plane"
            self.events.status.emit(text)

        self.cancel()
        self.events.status.emit("Looking for all objects of this plane …")
        self._do(lambda session, _: session.segment_everything(plane), then)

    # Painting by hand

    def paint_labels(self, edit: Edit) -> None:
        """Take what was painted on the labels into the session."""

        def work(session: Session, _: Job) -> None:
            values = session.labels[box_slices(edit.box)].copy()
            values[edit.chosen] = edit.values[edit.chosen]
            session.paint(edit.box, values)

        def settle(_: Job) -> None:
            self._note("labels", edit.box)

        self._do(work, self._say("Painted labels"), settle=settle)

    def paint_mask(self, edit: Edit, normal: str | None) -> None:
        """Take what was painted on the object into the session: its planes as they are now."""
        names, shape = self.volume.names, self.volume.shape
        fixed = [i for i, name in enumerate(names) if name in ("t", normal)]

        def work(session: Session, _: Job) -> None:
            prompts = []
            for entry in np.ndindex(*(edit.box[i][1] - edit.box[i][0] for i in fixed)):
                at = dict(zip(fixed, entry, strict=True))
                plane = Plane(
                    tuple(edit.box[i][0] + at[i] if i in at else None for i in range(len(shape)))
                )
                inner = tuple(at.get(i, slice(None)) for i in range(len(shape)))
                rows, columns = (slice(*edit.box[i]) for i in plane.in_plane)
                mask = session.mask[plane.slices].copy()
                chosen = edit.chosen[inner]
                mask[rows, columns][chosen] = edit.values[inner][chosen] > 0
                prompts.append(pack_mask(plane, mask))
            session.add_prompts(prompts)

        def settle(_: Job) -> None:
            self._note("mask", edit.box)

        self.cancel()
        self._do(work, self._say("Painted the object"), settle=settle)

    # Objects and history

    def commit(self, name: str | None = None, overwrite: bool = False) -> None:
        """Move the object in work into the labels."""
        if not self.shown.has_object:
            self.events.status.emit("Nothing to commit yet: click on an object first")
            return
        self._resuming = None
        self._do(
            lambda session, _: session.commit(name or None, overwrite),
            lambda label: self.events.status.emit(f"Committed object {label}"),
        )

    def discard(self) -> None:
        """Drop the object in work."""
        self.cancel()
        self._do(lambda session, _: session.discard(), self._say("Discarded the object in work"))

    def undo(self) -> None:
        """Undo the last step."""
        self.cancel()
        self._do(lambda session, _: self._moved(session, session.undo), self._tell_moved("Undid"))

    def redo(self) -> None:
        """Redo the last undone step."""
        self.cancel()
        self._do(lambda session, _: self._moved(session, session.redo), self._tell_moved("Redid"))

    @staticmethod
    def _moved(session: Session, step: Callable[[], bool]) -> str | None:
        """Go through history; return the name of the step, None if there was none."""
        before = session.history
        moved = step()
        return max(before, session.history, key=len)[-1] if moved else None

    def _tell_moved(self, verb: str) -> Callable[[str | None], None]:
        def tell(name: str | None) -> None:
            known = {"Undid": "undo", "Redid": "redo"}
            text = f"{verb} {name!r}" if name else f"Nothing to {known[verb]}"
            self.events.status.emit(text)

        return tell

    def reopen(self, label: int) -> None:
        """Take a committed object back into work."""
        self.cancel()
        self._do(lambda session, _: session.reopen(label), self._say(f"Reopened object {label}"))

    def rename(self, label: int, name: str) -> None:
        """Name a committed object."""
        self._do(lambda session, _: session.rename(label, name), self._say(f"Named it {name!r}"))

    def delete(self, label: int) -> None:
        """Delete a committed object."""
        self._do(lambda session, _: session.delete(label), self._say(f"Deleted object {label}"))

    # Model and image

    def set_backend(self, backend: str, device: str, wish: Refinement) -> None:
        """Use another model, loaded at once, with the wrappers that are wished for."""

        def work(session: Session, _: Job) -> tuple[ModelCapabilities, list[str]]:
            session.set_backend(backend, device)
            return self._load(session, wish)

        self.events.status.emit(f"Loading {backend} …")
        self._do(work, self._ready)

    def warm_up(self, wish: Refinement) -> None:
        """Load the model with its wrappers, so that the first click is answered quickly."""
        self.events.status.emit(f"Loading {self._state.backend} …")
        self._do(lambda session, _: self._load(session, wish), self._ready)

    @staticmethod
    def _load(session: Session, wish: Refinement) -> tuple[ModelCapabilities, list[str]]:
        ability = refine(session, wish)
        session.warm_up()
        if "torch" not in sys.modules:  # the backend needs none: nor does the list
            return ability, []
        from napari_promptseg.models.device import available_devices

        return ability, available_devices()

    def _ready(self, loaded: tuple[ModelCapabilities, list[str]]) -> None:
        ability, devices = loaded
        self.events.ability.emit(ability)
        if devices:
            self.events.devices.emit(devices)
        self.events.status.emit("Ready: click on an object")

    def free(self) -> None:
        """Let go of the model; the next prompt loads it again."""
        self.cancel()
        self._do(lambda session, _: session.free(), self._say("Unloaded the model"))

    def refine(self, wish: Refinement) -> None:
        """Put other wrappers around the model; the object in work stays as it is."""

        def then(ability: ModelCapabilities) -> None:
            self.events.ability.emit(ability)
            self.events.status.emit("The next prompt is answered so")

        self._do(lambda session, _: refine(session, wish), then)

    def set_window(self, window: Window | str | None) -> None:
        """Look at the image through another intensity window."""
        self._do(lambda session, _: session.set_window(window))

    def set_channels(self, channels: Sequence[int]) -> None:
        """Look at other channels of the image."""
        names = ", ".join(map(str, channels))
        self._do(
            lambda session, _: session.set_channels(channels),
            self._say(f"The model sees channel{'s' if len(channels) > 1 else ''} {names}"),
        )

    # Files

    def save(self, path: str | Path) -> None:
        """Write the session to a file."""
        keeper = self.keeper

        def work(session: Session, _: Job) -> None:
            session.save(path, versions=_VERSIONS)
            keeper.saved(session)

        self._do(work, self._say(f"Saved {Path(path).name}"))

    def export(self, path: str | Path, colours: Mapping[int, Colour]) -> None:
        """Write the labels to a file, over one that is there, in the colours that are shown."""
        self._do(
            lambda session, _: session.export(path, overwrite=True, colours=colours),
            self._say(f"Exported {Path(path).name}"),
        )

    def add_labels(self, path: str | Path) -> None:
        """Take the labels of a file as objects."""

        def then(ids: dict[int, int]) -> None:
            count = f"{len(ids)} object{'s' if len(ids) != 1 else ''}"
            self.events.status.emit(f"{count} from {Path(path).name}")

        self._do(lambda session, _: session.add_labels(path), then)


def load_session(path: str | Path, volume: Volume | None = None) -> tuple[Session, bool]:
    """Read a saved session, on the image in view if it was made on that one.

    Returns
    -------
    (Session, bool)
        The session, and whether it is on the given image.

    Raises
    ------
    FileNotFoundError
        If the file, or the image it refers to, is not there.
    ValueError
        If the file is no saved session.
    """
    path = Path(path)
    if volume is not None and path.is_file():
        header = read_header(Archive(path))
        if tuple(volume.data.shape) == header.shape and volume.axes == header.axes:
            return Session.load(path, volume=volume), True
    return Session.load(path), False
