"""Random operations for long, compared with a plain model that copies everything at each step.

``PROMPTSEG_SOAK=20000 pytest tests/session/test_soak.py`` does more of them.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

OPERATIONS = int(os.environ.get("PROMPTSEG_SOAK", "300"))
SHAPE = (4, 15, 19)
IMAGE = bright(
    ellipsoid(SHAPE, (1.5, 4, 5), (2.5, 3, 4)) | ellipsoid(SHAPE, (2, 10, 14), (2, 3.5, 3))
)


@dataclass
class State:
    """Content of a session, as plain arrays and dictionaries."""

    mask: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, bool))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, int))
    objects: dict[int, tuple[str, list]] = field(default_factory=dict)
    label: int | None = None
    name: str = ""
    clicks: list = field(default_factory=list)


class PlainSession:
    """A session of arrays that are copied whole at each step."""

    def __init__(self) -> None:
        self.state = State()
        self.done: list[State] = []
        self.undone: list[State] = []

    def step(self) -> State:
        self.done.append(copy.deepcopy(self.state))
        self.undone.clear()
        return self.state

    def click(self, position: tuple[int, int, int], positive: bool) -> None:
        state = self.step()
        state.clicks.append((position, positive))
        plane = position[0]
        regions, _ = ndimage.label(IMAGE[plane] > 100)
        prior = regions[state.mask[plane]]
        foreground = np.isin(regions, prior[prior > 0])
        background = np.zeros(SHAPE[1:], bool)
        for (z, row, column), inside in state.clicks:
            if z == plane:
                target = foreground if inside else background
                if regions[row, column]:
                    target |= regions == regions[row, column]
                else:
                    target[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
        labels = state.labels[plane]
        clicked = [state.labels[where] for where, inside in state.clicks if inside]
        state.mask[plane] = foreground & ~background & ((labels == 0) | np.isin(labels, clicked))

    def commit(self, name: str | None, overwrite: bool) -> None:
        state = self.state
        pixels = state.mask if overwrite else state.mask & (state.labels == 0)
        if not pixels.any():
            raise ValueError("nothing to commit")
        state = self.step()
        label = state.label or max(state.objects, default=0) + 1
        state.labels[pixels] = label
        state.objects[label] = (state.name if name is None else name, state.clicks)
        self.drop_empty_objects()
        self.clear()

    def clear(self) -> None:
        state = self.state
        state.mask[...] = False
        state.label, state.name, state.clicks = None, "", []

    def drop_empty_objects(self) -> None:
        present = set(np.unique(self.state.labels).tolist())
        self.state.objects = {k: v for k, v in self.state.objects.items() if k in present}

    def discard(self) -> None:
        if self.state.clicks or self.state.label is not None:
            self.step()
            self.clear()

    def object(self, label: int) -> tuple[str, list]:
        if label not in self.state.objects:
            raise ValueError("no object")
        return self.state.objects[label]

    def reopen(self, label: int) -> None:
        self.object(label)
        if self.state.mask.any():
            self.commit(None, False)
        else:
            self.discard()
        name, clicks = self.object(label)
        state = self.step()
        state.mask, state.label, state.name = state.labels == label, label, name
        state.clicks = list(clicks)
        state.labels[state.mask] = 0
        del state.objects[label]

    def delete(self, label: int) -> None:
        self.object(label)
        state = self.step()
        state.labels[state.labels == label] = 0
        del state.objects[label]

    def rename(self, label: int, name: str) -> None:
        clicks = self.object(label)[1]
        self.step().objects[label] = (name, clicks)

    def relabel(self, label: int, to: int) -> None:
        self.object(label)
        if to < 1 or to in self.state.objects or to == self.state.label:
            raise ValueError("taken")
        state = self.step()
        state.labels[state.labels == label] = to
        state.objects[to] = state.objects.pop(label)

    def paint(self, box: tuple[tuple[int, int], ...], values: np.ndarray) -> None:
        state = self.step()
        state.labels[tuple(slice(*pair) for pair in box)] = values
        for label in np.unique(values[values > 0]).tolist():
            state.objects.setdefault(label, ("", []))
        self.drop_empty_objects()

    def undo(self) -> None:
        if self.done:
            self.undone.append(self.state)
            self.state = self.done.pop()

    def redo(self) -> None:
        if self.undone:
            self.done.append(self.state)
            self.state = self.undone.pop()


class Soak:
    """The same random operations on both."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.folder = folder
        self.session = Session(IMAGE, ToyBackend(), journal=folder / "journal")
        self.plain = PlainSession()

    def operation(self) -> tuple[str, tuple]:
        """Draw a call and its arguments."""
        rng = self.rng
        label, other = (int(n) for n in rng.integers(1, 6, 2))
        position = tuple(int(rng.integers(n)) for n in SHAPE)
        box = tuple(
            (p, min(p + int(rng.integers(1, 6)), n)) for p, n in zip(position, SHAPE, strict=True)
        )
        values = rng.integers(0, 5, [stop - start for start, stop in box])
        name = str(rng.choice(["nucleus", "肝臓", "=1+1", ""]))
        # Without a positive click, a negative one implies one in the middle of the object.
        clicks = self.plain.state.clicks
        negative = any(z == position[0] and inside for (z, _, _), inside in clicks)
        operations = [
            ("click", (position, not negative or bool(rng.random() < 0.5))),
            ("click", (position, True)),
            ("commit", (name if rng.random() < 0.5 else None, bool(rng.random() < 0.3))),
            ("discard", ()),
            ("reopen", (label,)),
            ("delete", (label,)),
            ("rename", (label, name)),
            ("relabel", (label, other + 2)),
            ("paint", (box, values)),
            ("undo", ()),
            ("undo", ()),
            ("redo", ()),
        ]
        return operations[int(rng.integers(len(operations)))]

    def run(self, operations: int) -> None:
        for number in range(operations):
            name, arguments = self.operation()
            outcomes = []
            for target in (self.session, self.plain):
                method = "add_point" if (target is self.session and name == "click") else name
                try:
                    getattr(target, method)(*arguments)
                except ValueError:
                    outcomes.append("refused")
                else:
                    outcomes.append("done")
            assert outcomes[0] == outcomes[1], (number, name, arguments)
            self.compare(self.session, (number, name, arguments))
            if number % 60 == 59:
                self.go_on_from_disk()

    def compare(self, session: Session, where: object) -> None:
        plain = self.plain.state
        np.testing.assert_array_equal(session.mask, plain.mask, err_msg=str(where))
        np.testing.assert_array_equal(session.labels, plain.labels, err_msg=str(where))
        names = {label: name for label, (name, _) in plain.objects.items()}
        assert {k: v.name for k, v in session.objects.items()} == names, where
        assert len(session.history) == len(self.plain.done), where
        assert session.can_redo == bool(self.plain.undone), where
        assert len(session.prompts) == len(plain.clicks), where

    def go_on_from_disk(self) -> None:
        """Save and load, then end as a process does, and recover."""
        self.session.save(self.folder / "saved")
        self.session.close()
        self.compare(Session.load(self.folder / "saved", backend=ToyBackend()), "loaded")
        self.session.end_journal()
        self.session = Session.recover(self.folder / "journal", backend=ToyBackend())
        self.compare(self.session, "recovered")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_session_agrees_with_a_plain_model(tmp_path: Path, seed: int) -> None:
    Soak(tmp_path, seed).run(OPERATIONS)
