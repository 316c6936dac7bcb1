"""Reproducibility check: answer the prompts of a session again and compare masks bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.prompts import ChoicePrompt
from napari_promptseg.session import prompting, segment_each
from napari_promptseg.session.propagation.runner import propagate

if TYPE_CHECKING:
    from napari_promptseg.session.history import Change, ImagePatch
    from napari_promptseg.session.session_state import SessionState


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of a reproducibility check.

    Parameters
    ----------
    same : int
        Steps that a model answered as before, bit by bit.
    different : tuple of str
        Names of those that it answered otherwise, with their number in the history.
    skipped : int
        Steps of another model than the present one, batches of `segment_each`, and propagations
        that were cancelled.
    """

    same: int
    different: tuple[str, ...]
    skipped: int


def verify(state: SessionState) -> Verification:
    """Answer all prompts of the history anew, and compare bit by bit.

    The same model on the same device answers alike; of another one, see `Verification`.
    Steps without a model, such as a commit or painting, are taken as they are.
    """
    state.interrupt()
    fresh = state.fresh()
    same = skipped = 0
    different: list[str] = []
    fresh.predictor.warm_up()
    history = fresh.store.history
    for number, change in enumerate(state.store.history.done, start=1):
        if change.model == fresh.predictor.describe() and change.name != segment_each.STEP:
            if _patches(_repeat(fresh, change)) == _patches(change):
                same += 1
            else:
                different.append(f"{number}: {change.name}")
            while len(history.done) >= number:
                fresh.store.undo()
        elif change.model or change.name == "propagate":
            skipped += 1
        fresh.store.do(change)
    return Verification(same, tuple(different), skipped)


def _repeat(state: SessionState, change: Change) -> Change | None:
    """Have the model answer the prompts of a change again; None if nothing changed."""
    before, after = (draft.prompts for draft in change.draft)
    done = state.store.history.done
    steps = len(done)
    if change.name == "propagate":
        arguments: dict[str, Any] = dict(change.arguments)
        propagate(state, **arguments).run()
    elif after and isinstance(after[-1], ChoicePrompt):
        prompting.choose(state, after[-1].number, Plane(after[-1].index))
    elif len(after) < len(before):
        index = next(i for i, p in enumerate(before) if i >= len(after) or p != after[i])
        prompting.remove_prompt(state, index)
    elif after and len(after) == len(before):
        changed_at = next(i for i, p in enumerate(before) if p != after[i])
        prompting.replace_prompt(state, changed_at, after[changed_at])
    else:
        prompting.add_prompts(state, after[len(before) :])
    return done[-1] if len(done) > steps else None


def _patches(change: Change | None) -> dict[tuple[Any, ...], bytes]:
    """Return the new values of a change by array and box."""
    patches: tuple[ImagePatch, ...] = () if change is None else change.patches
    return {(p.array, p.box): np.ascontiguousarray(p.values("new")).tobytes() for p in patches}
