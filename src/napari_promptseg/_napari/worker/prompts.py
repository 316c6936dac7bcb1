"""Commands for prompts: add, remove, alternatives, painting on the object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.prompts import check_prompt, prompt_plane
from napari_promptseg.models.text_models import TextMatch, UnknownWordError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.propagation import PropagationCommands
    from napari_promptseg._napari.worker.requests import Edit
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.prompts import Prompt, TextPrompt


class PromptCommands:
    """Prompts of the active object.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    propagation : PropagationCommands
        Stopped by whatever changes the object.
    """

    def __init__(self, proxy: SessionProxy, propagation: PropagationCommands) -> None:
        self._proxy, self._propagation = proxy, propagation
        self._collecting = False
        self.apart: Callable[[list[Prompt]], None] | None = None
        """Takes collected prompts that mark an object each, where they are to be answered so."""
        self.collected: list[Prompt] = []
        """Prompts that wait until `answer` is called."""
        proxy.reset.connect(self.collected.clear)

    def collect(self, on: bool) -> None:
        """Collect prompts from now on, or answer those that wait and each that follows."""
        self._collecting = on
        if on:
            self._proxy.events.status.emit("Prompts are collected: Answer has one answer for all")
        else:
            self.answer()

    def answer(self) -> None:
        """Answer all collected prompts, as one step."""
        prompts = [*self.collected]
        self.collected.clear()
        if not prompts:
            return
        if self.apart is not None:
            self.apart(prompts)
            return
        self._propagation.pause()

        def work(session: AnySession, _: Job) -> None:
            session.add_prompts(prompts)

        def settle(_: Job) -> None:
            for prompt in prompts:
                self._proxy.pending.remove(prompt)

        text = f"{len(prompts)} prompt{'s' * (len(prompts) > 1)} answered"
        self._proxy.run(work, self._proxy.say(text), settle=settle)

    def drop(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Forget those of some prompts that are only collected; return the others."""
        others = []
        for prompt in prompts:
            if prompt in self.collected:
                self.collected.remove(prompt)
                self._proxy.pending.remove(prompt)
            else:
                others.append(prompt)
        return others

    def add(self, prompt: Prompt) -> None:
        """Add a prompt; prompts of one plane that wait together get one answer.

        A running propagation is paused; it resumes after the answer, with the new prompt.

        Raises
        ------
        ValueError
            If it is not valid in the volume.
        """
        prompt = check_prompt(prompt, self._proxy.volume.names, self._proxy.volume.shape)
        plane = prompt_plane(prompt, self._proxy.volume.names)
        if self._collecting:
            self.collected.append(prompt)
            self._proxy.pending.append(prompt)
            button = "Answer" if self.apart is None else "Segment"
            self._proxy.events.status.emit(f"{len(self.collected)} prompts wait for {button}")
            self._proxy.emit_snapshot()
            return
        self._propagation.pause()
        self._proxy.pending.append(prompt)

        def work(session: AnySession, job: Job) -> None:
            session.add_prompts(job.items)

        def settle(job: Job) -> None:
            for item in job.items:
                self._proxy.pending.remove(item)

        def then(_: None) -> None:
            kind = prompt.kind.capitalize()
            going_on = "; propagating on" if self._propagation.resume(plane) else ""
            self._proxy.events.status.emit(f"{kind} answered{going_on}")

        self._proxy.run(work, then, key=plane, items=[prompt], settle=settle)
        self._proxy.emit_snapshot()

    def add_text(self, word: TextPrompt) -> None:
        """Segment by text and report the match, or that the word is unknown."""
        plane = prompt_plane(word, self._proxy.volume.names)
        self._propagation.pause()

        def work(session: AnySession, _: Job) -> TextMatch | UnknownWordError:
            try:
                session.add(word)
            except UnknownWordError as unknown:
                return unknown
            assert session.text_match is not None
            return session.text_match

        def then(match: TextMatch | UnknownWordError) -> None:
            text = str(match)
            if isinstance(match, TextMatch):
                text = f"{match.model} found {match.text!r}: sure {match.confidence:.2f}"
                self._proxy.events.word.emit(plane, match.probability)
            going_on = "; propagating on" if self._propagation.resume(plane) else ""
            self._proxy.events.status.emit(f"{text}{going_on}")

        self._proxy.events.status.emit(f"Looking for {word.text!r} …")
        self._proxy.run(work, then)

    def remove(self, prompts: Sequence[Prompt]) -> None:
        """Remove prompts one after the other."""
        prompts = self.drop(prompts)
        if prompts:
            self._propagation.cancel()
        for prompt in prompts:
            self._proxy.removing.append(prompt)

            def work(session: AnySession, _: Job, prompt: Prompt = prompt) -> None:
                # A failed or undone prompt is gone already.
                if prompt in session.prompts:
                    session.remove_prompt(session.prompts.index(prompt))

            def settle(_: Job, prompt: Prompt = prompt) -> None:
                self._proxy.removing.remove(prompt)

            self._proxy.run(work, self._proxy.say(f"Removed a {prompt.kind}"), settle=settle)
        self._proxy.emit_snapshot()

    def replace(self, old: Prompt, new: Prompt) -> None:
        """Put a prompt in the place of another one, such as a moved point.

        Raises
        ------
        ValueError
            If the new one is not valid in the volume.
        """
        new = check_prompt(new, self._proxy.volume.names, self._proxy.volume.shape)
        if not self.drop([old]):
            self.add(new)
            return
        self._propagation.cancel()
        self._proxy.removing.append(old)
        self._proxy.pending.append(new)

        def work(session: AnySession, _: Job) -> None:
            if old in session.prompts:
                session.replace_prompt(session.prompts.index(old), new)

        def settle(_: Job) -> None:
            self._proxy.removing.remove(old)
            self._proxy.pending.remove(new)

        self._proxy.run(work, self._proxy.say(f"Moved a {new.kind}"), settle=settle)
        self._proxy.emit_snapshot()

    def choose_answer(self) -> None:
        """Take another of the answers to the last prompt."""
        self._propagation.cancel()
        self._proxy.run(
            lambda session, _: session.choose(),
            lambda number: self._proxy.events.status.emit(f"Answer {number + 1} of the model"),
        )

    def paint_mask(self, edit: Edit, normal: str | None) -> None:
        """Add pixels painted on the active object as mask prompts, one a plane."""
        names, shape = self._proxy.volume.names, self._proxy.volume.shape
        fixed_axes = [i for i, name in enumerate(names) if name in ("t", normal)]

        def work(session: AnySession, _: Job) -> None:
            prompts = []
            for entry in np.ndindex(*(edit.box[i][1] - edit.box[i][0] for i in fixed_axes)):
                at = dict(zip(fixed_axes, entry, strict=True))
                plane = Plane(
                    tuple(edit.box[i][0] + at[i] if i in at else None for i in range(len(shape)))
                )
                inner = tuple(at.get(i, slice(None)) for i in range(len(shape)))
                rows, columns = (slice(*edit.box[i]) for i in plane.in_plane)
                mask = session.mask[plane.slices].copy()
                inside = edit.mask[inner]
                mask[rows, columns][inside] = edit.values[inner][inside] > 0
                prompts.append(pack_mask(plane, mask))
            session.add_prompts(prompts)

        def settle(_: Job) -> None:
            self._proxy.note_change("mask", edit.box)

        self._propagation.cancel()
        self._proxy.run(work, self._proxy.say("Painted the object"), settle=settle)
