"""Whether a session can be had again from its prompts: each answer is made anew and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.prompts import ChoicePrompt

if TYPE_CHECKING:
    from napari_promptseg.session.history import Change, ImagePatch
    from napari_promptseg.session.session import Session


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of answering a history anew.

    Parameters
    ----------
    same : int
        Steps that a model answered as before, bit by bit.
    different : tuple of str
        Names of those that it answered otherwise, with their number in the history.
    skipped : int
        Steps of another model than the present one, and propagations that were cancelled.
    """

    same: int
    different: tuple[str, ...]
    skipped: int


def replay(session: Session, fresh: Session) -> Replayed:
    """Do all steps of a session again on a new one with the same image and model.

    Steps without a model, such as a commit or painting, are taken as they are.

    Parameters
    ----------
    session : Session
        Stays as it is.
    fresh : Session
        Without any step; has all of them afterwards.
    """
    same = skipped = 0
    different: list[str] = []
    fresh.warm_up()
    model = fresh._predictor.describe()
    for number, change in enumerate(session._store.history.done, start=1):
        if change.model == model:
            if _patches(_again(fresh, change)) == _patches(change):
                same += 1
            else:
                different.append(f"{number}: {change.name}")
            while len(fresh.history) >= number:
                fresh.undo()
        elif change.model or change.name == "propagate":
            skipped += 1
        fresh._store.do(change)
    return Replayed(same, tuple(different), skipped)


def _again(session: Session, change: Change) -> Change | None:
    """Have a model answer what it answered before; None if nothing changed."""
    before, after = (draft.prompts for draft in change.draft)
    steps = len(session.history)
    if change.name == "propagate":
        arguments: dict[str, Any] = dict(change.arguments)
        session.propagate(**arguments).run()
    elif after and isinstance(after[-1], ChoicePrompt):
        session.choose(after[-1].number, Plane(after[-1].index))
    elif len(after) < len(before):
        gone = next(i for i, p in enumerate(before) if i >= len(after) or p != after[i])
        session.remove_prompt(gone)
    else:
        session.add_prompts(after[len(before) :])
    return session._store.history.done[-1] if len(session.history) > steps else None


def _patches(change: Change | None) -> dict[tuple[Any, ...], bytes]:
    """Return the new values of the boxes of a change, to be compared."""
    patches: tuple[ImagePatch, ...] = () if change is None else change.patches
    return {(p.array, p.box): np.ascontiguousarray(p.values("new")).tobytes() for p in patches}
