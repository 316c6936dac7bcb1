"""Random sequences of calls against a model of what must hold after each of them."""

from __future__ import annotations

import shutil
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from helpers import Snapshot, ToyBackend, bright, ellipsoid
from napari_promptseg.data.geometry import box_slices
from napari_promptseg.session.persistence import records
from napari_promptseg.session.session import Session

SHAPE = (5, 14, 18)
IMAGE = bright(ellipsoid(SHAPE, (2, 5, 5), (2.5, 4, 4)) | ellipsoid(SHAPE, (2, 9, 13), (2, 3, 4)))

positions = st.tuples(*(st.integers(0, n - 1) for n in SHAPE))
ranges = st.tuples(
    *(
        st.tuples(st.integers(0, n - 1), st.integers(1, 6)).map(
            lambda p, n=n: (p[0], min(p[0] + p[1], n))
        )
        for n in SHAPE
    )
)


class SessionMachine(RuleBasedStateMachine):
    """Keeps the states to undo and to redo beside the session.

    A state is None where one call made two steps and the one between was not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="promptseg-"))
        self.session = Session(IMAGE, ToyBackend(), journal=self.folder / "journal")
        self.past: list[Snapshot | None] = []
        self.future: list[Snapshot | None] = []
        self.logged: list[Snapshot | None] = [Snapshot.of(self.session)]

    def teardown(self) -> None:
        try:
            self._check_saved()
            self._check_journal()
        finally:
            shutil.rmtree(self.folder)

    def act(self, call) -> None:
        """Do something that may fail; a failure and a step without effect change nothing."""
        before, count = Snapshot.of(self.session), len(self.session.history)
        try:
            call()
        except ValueError:
            assert not before.differences(Snapshot.of(self.session))
            assert len(self.session.history) == count
            return
        # Reading the mask ends nothing that is under way: the next call would.
        self.session._state.interrupt()
        after, steps = Snapshot.of(self.session), len(self.session.history) - count
        assert steps >= 0
        if not steps:
            assert not before.differences(after)
            return
        self.past += [before, *[None] * (steps - 1)]
        self.future.clear()
        self.logged += [*[None] * (steps - 1), after]

    # Calls

    @initialize()
    def begin(self) -> None:
        assert not self.session.can_undo

    @rule(position=positions, positive=st.booleans(), axis=st.sampled_from([None, None, "y", "x"]))
    def add_point(self, position, positive: bool, axis: str | None) -> None:
        self.act(lambda: self.session.add_point(position, positive, axis))

    @rule(box=ranges, flat=st.booleans(), positive=st.booleans())
    def add_box(self, box, flat: bool, positive: bool) -> None:
        low, high = ([pair[i] - i for pair in box] for i in (0, 1))
        if flat:
            high[0] = low[0]
        self.act(lambda: self.session.add_box(low, high, positive))

    @rule(box=ranges, axis=st.sampled_from([None, "y"]))
    def add_mask(self, box, axis: str | None) -> None:
        whole = np.zeros(SHAPE, bool)
        whole[box_slices(box)] = True
        if axis is None:
            self.act(lambda: self.session.add_mask(whole[box[0][0]], index=box[0][0]))
        else:
            self.act(lambda: self.session.add_mask(whole))

    @rule(position=positions)
    def add_scribble_and_lasso(self, position) -> None:
        z, y, x = position
        path = [(z, y, x), (z, y // 2, x), (z, y, x // 2)]
        self.act(lambda: self.session.add_scribble(path[:2]))
        self.act(lambda: self.session.add_lasso(path))

    @precondition(lambda self: self.session.prompts)
    @rule(number=st.integers(0, 4))
    def remove_prompt(self, number: int) -> None:
        self.act(lambda: self.session.remove_prompt(number))

    @rule(start=st.sampled_from([None, 0, 2]), stop=st.sampled_from([None, 3, 5]))
    def propagate(self, start: int | None, stop: int | None) -> None:
        self.act(lambda: self.session.propagate(start, stop).run())

    @rule(count=st.integers(0, 3))
    def propagate_in_part(self, count: int) -> None:
        self.act(lambda: [*islice(p := self.session.propagate(), count), p.cancel()])

    @rule()
    def propagate_and_forget(self) -> None:
        self.act(lambda: (self.session.propagate(), self.session.mask))

    @rule(overwrite=st.booleans(), name=st.sampled_from([None, "a", "b"]))
    def commit(self, overwrite: bool, name: str | None) -> None:
        labels, mask = self.session.labels.copy(), self.session.mask.copy()
        self.act(lambda: self.session.commit(name, overwrite))
        if not overwrite:
            foreground = labels > 0
            np.testing.assert_array_equal(self.session.labels[foreground], labels[foreground])
        outside = ~mask
        np.testing.assert_array_equal(self.session.labels[outside], labels[outside])

    @rule()
    def discard(self) -> None:
        labels = self.session.labels.copy()
        self.act(self.session.discard)
        assert not self.session.mask.any()
        np.testing.assert_array_equal(self.session.labels, labels)

    @rule(label=st.integers(1, 4))
    def reopen(self, label: int) -> None:
        self.act(lambda: self.session.reopen(label))

    @rule(label=st.integers(1, 4))
    def delete(self, label: int) -> None:
        self.act(lambda: self.session.delete(label))

    @rule(label=st.integers(1, 4), name=st.sampled_from(["", "c"]))
    def rename(self, label: int, name: str) -> None:
        labels = self.session.labels.copy()
        self.act(lambda: self.session.rename(label, name))
        np.testing.assert_array_equal(self.session.labels, labels)

    @rule(label=st.integers(1, 4), to=st.integers(0, 6))
    def relabel(self, label: int, to: int) -> None:
        self.act(lambda: self.session.relabel(label, to))

    @rule(box=ranges, value=st.integers(0, 4))
    def paint(self, box, value: int) -> None:
        shape = [stop - start for start, stop in box]
        self.act(lambda: self.session.paint(box, np.full(shape, value)))

    @rule()
    def wrong_call(self) -> None:
        self.act(lambda: self.session.add_point((99, 0, 0)))

    @rule(times=st.integers(1, 4))
    def undo(self, times: int) -> None:
        for _ in range(times):
            now = Snapshot.of(self.session)
            assert self.session.undo() == bool(self.past)
            if self.past:
                self._moved(self.past.pop(), now, self.future)

    @rule(times=st.integers(1, 4))
    def redo(self, times: int) -> None:
        for _ in range(times):
            now = Snapshot.of(self.session)
            assert self.session.redo() == bool(self.future)
            if self.future:
                self._moved(self.future.pop(), now, self.past)

    def _moved(self, expected: Snapshot | None, previous: Snapshot, other: list) -> None:
        current = Snapshot.of(self.session)
        if expected is not None:
            assert not expected.differences(current)
        other.append(previous)
        self.logged.append(current)

    # What always holds

    @invariant()
    def the_history_has_the_steps_that_were_made(self) -> None:
        assert len(self.session.history) == len(self.past)
        assert self.session.can_undo == bool(self.past)
        assert self.session.can_redo == bool(self.future)

    @invariant()
    def every_id_in_the_labels_is_an_object_and_lies_in_its_box(self) -> None:
        labels = self.session.labels
        assert set(np.unique(labels).tolist()) - {0} == set(self.session.objects)
        for label, item in self.session.objects.items():
            assert item.label == label
            inside = labels[box_slices(item.box)] == label
            assert inside.sum() == (labels == label).sum()

    @invariant()
    def the_mask_lies_in_the_extent_of_the_draft(self) -> None:
        mask, extent = self.session.mask, self.session.draft.extent
        inside = 0 if extent is None else mask[box_slices(extent)].sum()
        assert inside == mask.sum()

    def _check_saved(self) -> None:
        self.session.save(self.folder / "saved")
        again = Session.load(self.folder / "saved", backend=ToyBackend())
        assert not Snapshot.of(again).differences(Snapshot.of(self.session))
        assert again.history == self.session.history
        for expected in reversed(self.future):
            assert again.redo()
            if expected is not None:
                assert not expected.differences(Snapshot.of(again))
        assert not again.can_redo
        for _ in self.future:
            assert again.undo()
        for expected in reversed(self.past):
            assert again.undo()
            if expected is not None:
                assert not expected.differences(Snapshot.of(again))
        assert not again.can_undo

    def _check_journal(self) -> None:
        history = self.folder / "journal" / records.HISTORY
        whole = history.read_bytes()
        again = Session.recover(self.folder / "journal", backend=ToyBackend())
        assert not Snapshot.of(again).differences(Snapshot.of(self.session))
        assert again.history == self.session.history
        assert history.read_bytes() == whole
        ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
        assert len(ends) == len(self.logged)
        cut = int(np.random.default_rng(len(whole)).integers(0, len(whole) + 1))
        history.write_bytes(whole[:cut])
        expected = self.logged[sum(end <= cut for end in ends) - 1]
        again = Session.recover(self.folder / "journal", backend=ToyBackend())
        if expected is not None:
            assert not expected.differences(Snapshot.of(again))


TestSequences = SessionMachine.TestCase
TestSequences.settings = settings(max_examples=40, stateful_step_count=30)
