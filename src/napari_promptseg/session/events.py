"""Signals of a session."""

from __future__ import annotations

from psygnal import Signal, SignalGroup


class SessionEvents(SignalGroup):
    """Signals of a session; emitted on the thread that called it."""

    mask = Signal(tuple)
    """A box of the mask changed."""
    labels = Signal(tuple)
    """A box of the labels changed."""
    draft = Signal()
    """The prompts or the name of the active object changed."""
    objects = Signal()
    """Committed objects or the classes changed."""
    confidences = Signal()
    """The confidence of the active object on some plane changed."""
    notice = Signal(str)
    """Inference falls back to a smaller crop or to the CPU, or a file of labels was guessed at."""
    history = Signal()
    """The steps that can be undone or redone changed."""
