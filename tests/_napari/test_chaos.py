"""A user without a plan, with faults all around: every invariant holds, and memory stays flat.

150 actions by default; ``PROMPTSEG_CHAOS=5000 pytest tests/_napari/test_chaos.py`` for more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from gui_backends import Toy
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from helpers import Snapshot as State
from napari_promptseg.session.persistence.journal import Journal
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gui
ACTIONS = int(os.environ.get("PROMPTSEG_CHAOS", "150"))
FAULTS = ("the model failed", "the disk is full")
_EXPECTED = (
    *FAULTS,
    "the model is out of order",
    "the active object is empty",
    "no plane has a prompt yet",
    "no object",
    "nothing left",
    "is committed already",
    "needs a prompt",
    "other objects",
)
_SETTLED_EVERY = 10


class Chaos:
    """Random actions of a user through the real widget."""

    def __init__(self, bench, images, seed: int, folder: Path) -> None:
        self.b, self.images, self.folder = bench, images, folder
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.actions = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name[:3] == "do_"
        }
        self.weights = [getattr(a.__func__, "weight", 1) for a in self.actions.values()]

    @property
    def layer_sync(self):
        return self.b.dock.layer_sync

    def act(self) -> None:
        name = self.random.choices(list(self.actions), self.weights)[0]
        if self.layer_sync is None and name != "new_image":
            name = "new_image"
        self.done[name] += 1
        self.actions[name]()
        for _ in range(self.random.randrange(4)):
            QApplication.processEvents()

    def _position(self):
        shape = self.layer_sync.controller.volume.shape
        point = self.b.viewer.dims.current_step
        return (point[0], self.random.randrange(shape[1]), self.random.randrange(shape[2]))

    def _press(self, key: Qt.Key, modifiers=Qt.KeyboardModifier.NoModifier) -> None:
        self.b.robot.press(key, modifiers)

    def do_click(self) -> None:
        if self.b.viewer.dims.ndisplay == 2:
            self.b.robot.click(self._position(), self.random.random() < 0.7)

    do_click.weight = 14

    def do_commit(self) -> None:
        self._press(Qt.Key.Key_N)

    do_commit.weight = 5

    def do_discard(self) -> None:
        self._press(Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)

    def do_undo(self) -> None:
        self._press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)

    do_undo.weight = 4

    def do_redo(self) -> None:
        both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self._press(Qt.Key.Key_Z, both)

    do_redo.weight = 3

    def do_propagate(self) -> None:
        self._press(self.random.choice([Qt.Key.Key_G, Qt.Key.Key_J, Qt.Key.Key_K]))

    do_propagate.weight = 3

    def do_cancel(self) -> None:
        self._press(Qt.Key.Key_G, Qt.KeyboardModifier.ShiftModifier)

    def do_tool(self) -> None:
        self._press(Qt.Key.Key_W)

    def do_polarity(self) -> None:
        self._press(Qt.Key.Key_Q)

    def do_move(self) -> None:
        viewer = self.b.viewer
        viewer.dims.set_current_step(0, self.random.randrange(12))

    do_move.weight = 5

    def do_roll(self) -> None:
        dims = self.b.viewer.dims
        dims.order = self.random.choice([(0, 1, 2), (1, 0, 2), (2, 1, 0)])
        QApplication.processEvents()
        if self.random.random() < 0.7:
            dims.order = (0, 1, 2)

    def do_flip(self) -> None:
        self.b.viewer.dims.ndisplay = 3
        QApplication.processEvents()
        self.b.viewer.dims.ndisplay = 2

    def do_review(self) -> None:
        self._press(Qt.Key.Key_W, Qt.KeyboardModifier.ShiftModifier)

    def do_hide(self) -> None:
        self._press(Qt.Key.Key_U)

    def do_object(self) -> None:
        """Do something to a random object of the list."""
        objects = self.b.dock.object_table.model.rows
        if not objects:
            return
        label = self.random.choice(objects).label
        lists = self.b.dock.object_table
        what = self.random.choice(["reopen", "delete", "rename"])
        if what == "rename":
            lists.renamed.emit(label, f"name {self.random.randrange(9)}")
        else:
            getattr(lists, what).emit(label)

    do_object.weight = 3

    def do_delete_layer(self) -> None:
        layers = list(self.layer_sync.layers.values())
        if layers:
            self.b.viewer.layers.remove(self.random.choice(layers))

    def do_rename_layer(self) -> None:
        self.random.choice(list(self.b.viewer.layers)).name = f"layer {self.random.randrange(99)}"

    def do_hide_layer(self) -> None:
        layer = self.random.choice(list(self.b.viewer.layers))
        layer.visible = not layer.visible

    def do_paint(self) -> None:
        """Paint on the labels or the object as napari does."""
        role = self.random.choice(["labels", "object"])
        layer = self.layer_sync.layers.get(role)
        if layer is None or not layer.editable or self.b.viewer.dims.ndisplay == 3:
            return
        layer.selected_label = 1
        layer.paint([int(p) for p in self._position()], 1 if role == "object" else 0)

    do_paint.weight = 2

    def do_model(self) -> None:
        name = self.random.choice(["toy", "toy", "slow", "broken"])
        self.b.dock.images.backend.value = name

    def do_image(self) -> None:
        image = self.random.choice(self.images)
        if image in self.b.viewer.layers:
            self.b.dock.images.choose(image)

    def do_new_image(self) -> None:
        """Remove an image with all its work, and open it again."""
        number = self.random.randrange(len(self.images))
        image = self.images[number]
        if image in self.b.viewer.layers:
            self.b.viewer.layers.remove(image)
            QApplication.processEvents()
            layer_syncs = list(self.b.dock.sessions._layer_syncs.values())
            for layer in list(self.b.viewer.layers):  # results stay: the user deletes them
                if layer not in self.images and not any(one.owns(layer) for one in layer_syncs):
                    self.b.viewer.layers.remove(layer)
        self.images[number] = self.b.viewer.add_image(image.data, name=f"image {number}")
        self.b.dock.images.choose(self.images[number])

    def do_save(self) -> None:
        self.b.layer_sync.controller.files.save(self.folder / "saved.promptseg")

    def settle(self) -> None:
        self.b.robot.layer = self.layer_sync.image if self.layer_sync else self.b.robot.layer
        self.b.viewer.dims.ndisplay = 2
        self.b.wait("everything")

    def check(self) -> None:
        """Views, session and journal say the same; objects and labels fit each other."""
        layer_sync = self.layer_sync
        if layer_sync is None:
            return
        session = layer_sync.controller.session
        assert layer_sync.controller.snapshot.prompts == session.draft.prompts
        assert {o.label for o in layer_sync.controller.snapshot.objects} == set(session.objects)
        layer_sync._finish_copying()
        for role, array in (("object", session.mask), ("labels", session.labels)):
            layer = layer_sync.layers.get(role)
            if layer is not None:
                assert np.array_equal(np.asarray(layer.data) > 0, np.asarray(array) > 0), role
        assert set(np.unique(session.labels).tolist()) - {0} <= set(session.objects)
        extent = session.draft.extent
        inside = np.zeros(session.mask.shape, bool)
        if extent is not None:
            inside[tuple(slice(*e) for e in extent)] = True
        assert not (session.mask & ~inside).any()
        if session.journal is not None:
            again = Session.recover(session.journal, session.volume, Toy())
            assert not State.of(again).differences(State.of(session))
            assert again.history == session.history

    def rewind(self) -> None:
        """All of the history can be undone and redone."""
        session = self.layer_sync.controller.session
        last = State.of(session)
        steps = 0
        while session.undo():
            steps += 1
        assert not session.mask.any()
        assert not session.objects
        for _ in range(steps):
            assert session.redo()
        assert not last.differences(State.of(session))


@pytest.fixture
def faults(monkeypatch):
    """Models that fail and disks that are full, now and then."""
    dice = random.Random(5)
    predict, append = Toy.predict, Journal.append

    def faulty(self, embedding, *args, **kwargs):
        if dice.random() < 0.05 and embedding.values.any():
            raise RuntimeError(FAULTS[0])
        return predict(self, embedding, *args, **kwargs)

    def full(self, record):
        if dice.random() < 0.02:
            raise OSError(FAULTS[1])
        append(self, record)

    monkeypatch.setattr(Toy, "predict", faulty)
    monkeypatch.setattr(Journal, "append", full)


def test_chaos(bench, blobs, faults, errors, tmp_path, monkeypatch) -> None:
    b = bench(blobs)
    second = b.viewer.add_image(255 - blobs, name="second")
    chaos = Chaos(b, [b.image, second], 3, tmp_path)
    process = psutil.Process()
    early_memory = early_removals = 0
    for number in range(1, ACTIONS + 1):
        chaos.act()
        if number % _SETTLED_EVERY == 0:
            chaos.settle()
            chaos.check()
        if number == max(ACTIONS // 5, 100):
            early_memory, early_removals = process.memory_info().rss, chaos.done["new_image"]
        if number % 500 == 0:
            print(f"{number} actions, {process.memory_info().rss / 2**20:.0f} MiB", flush=True)
    chaos.settle()
    chaos.check()
    monkeypatch.undo()
    if chaos.layer_sync is not None:
        chaos.rewind()
    unexpected = [e for e in errors if not any(fragment in e for fragment in _EXPECTED)]
    assert not set(unexpected)
    growth = (process.memory_info().rss - early_memory) / 2**20
    print(f"{ACTIONS} actions, {len(errors)} faults shown, {growth:+.0f} MiB, {dict(chaos.done)}")
    # napari keeps some ten MiB of every five layers that were removed, with or without the dock.
    assert growth - 20 * (chaos.done["new_image"] - early_removals) < 100
