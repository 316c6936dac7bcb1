"""Proposals of a class under review: shown, selected, and decided on one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal, SignalGroup

from napari_promptseg._napari.layers.proposal_overlay import ProposalOverlay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.worker.proposals import Found
    from napari_promptseg.data.geometry import Plane

SURE: Final = 0.5
"""Confidence from which on a proposal is taken by "accept all"."""
_SHOWN: Final = 0.25
"""Confidence from which on a proposal is worth a look."""


class ProposalReviewEvents(SignalGroup):
    """What a review tells."""

    rejected = Signal(list, str)
    """Proposals are no objects of the class of a name."""
    fixed = Signal(object, str)
    """A proposal is to be corrected."""


class ProposalReview:
    """Keeps the list, the outlines and the selection alike.

    Parameters
    ----------
    section : FewShotSection
        Where the list is.
    tell : callable
        Says something to the user.
    """

    def __init__(self, section: FewShotSection, tell: Any) -> None:
        self.events = ProposalReviewEvents()
        self._section, self._tell = section, tell
        self._binding: LayerSync | None = None
        self._map: ProposalOverlay | None = None
        self._found: list[Found] = []
        self._refused: dict[Plane, NDArray[np.bool_]] = {}
        self._name = ""
        section.looked.connect(self._look_at)
        section.decided.connect(self.decide)

    def follow(self, binding: LayerSync | None) -> None:
        """Go on with another image, or with none; what was not decided is found again."""
        if self._binding is not None:
            self._binding.before_click = None
        if self._map is not None:
            self._map.close()
        self._binding, self._map = binding, None
        self._found, self._refused = [], {}
        if binding is not None:
            self._map = ProposalOverlay(binding)
            binding.before_click = self._clicked
        self._show()

    def add(self, plane: Plane, found: Sequence[Found], name: str) -> None:
        """Show what is proposed on a plane, in place of what was proposed there before.

        What the user has refused there does not come back.
        """
        if name != self._name:
            self._found, self._refused, self._name = [], {}, name
        refused = self._refused.get(plane)
        kept = [one for one in found if one.proposal.confidence >= _SHOWN]
        if refused is not None:
            kept = [one for one in kept if not _covered(one, refused)]
        selected = self._selected()
        self._found = [one for one in self._found if one.plane != plane] + kept
        self._found.sort(key=lambda one: -one.proposal.confidence)
        self._show(_like(selected[0], self._found) if selected else None)

    def undecided(self, plane: Plane) -> bool:
        """Whether there are proposals on a plane."""
        return any(one.plane == plane for one in list(self._found))

    def summary(self, name: str) -> str:
        """Tell what was found."""
        sure = sum(one.proposal.confidence >= SURE for one in self._found)
        if not self._found:
            return f"Found no {name} here"
        doubtful = len(self._found) - sure
        text = f"{sure} proposed as {name}"
        if doubtful:
            text += f", {doubtful} doubtful"
        return f"{text}: the keys . and , accept and reject, a click corrects"

    # What the user does

    def decide(self, what: str) -> None:
        """Accept, reject or fix what is selected, or accept all that is sure."""
        if self._binding is None:
            return
        chosen = self._selected()
        if what == "accept all":
            chosen = [one for one in self._found if one.proposal.confidence >= SURE]
        if not chosen:
            self._tell("Select a proposal first" if self._found else "Nothing is proposed here")
            return
        row = min(self._found.index(one) for one in chosen)
        if what == "fix":
            self._fix(chosen[0])
            return
        self._found = [one for one in self._found if one not in chosen]
        self._show(min(row, len(self._found) - 1) if self._found else None, go=True)
        if what == "reject":
            self._refuse(chosen)
        else:
            self._binding.controller.accept(chosen, self._name)

    def step(self, by: int) -> None:
        """Select the next proposal, or the one before."""
        rows = self._section.selection
        if self._found:
            row = (rows[0] + by) % len(self._found) if rows else 0
            self._section.select(row)

    def _refuse(self, chosen: Sequence[Found]) -> None:
        assert self._binding is not None
        shape = self._binding.controller.volume.shape
        for one in chosen:
            there = self._refused.setdefault(
                one.plane, np.zeros([shape[axis] for axis in one.plane.in_plane], np.bool_)
            )
            there[one.proposal.part] |= one.proposal.mask
        self.events.rejected.emit(list(chosen), self._name)
        self._tell(f"Rejected: {self._name} learns from it")

    def _fix(self, one: Found) -> None:
        self._found.remove(one)
        self._show()
        self.events.fixed.emit(one, self._name)

    def _clicked(self, position: Sequence[float]) -> None:
        """Take a proposal that is clicked on into work, so that the click corrects it."""
        binding = self._binding
        if binding is None or binding.controller.shown.has_object:
            return
        plane = binding.view.plane()
        if plane is None:
            return
        for one in self._found:
            if one.holds(plane, position):
                self._fix(one)
                return

    def _look_at(self, rows: list[int]) -> None:
        if self._binding is not None and len(rows) == 1:
            self._binding.view.look_at(self._found[rows[0]].position)
        self._draw()

    # What is shown

    def _selected(self) -> list[Found]:
        return [self._found[row] for row in self._section.selection if row < len(self._found)]

    def _show(self, row: int | None = None, go: bool = False) -> None:
        """Show the list as it is now, with a row selected; go there if the user asked."""
        rows = [
            (one.proposal.confidence, _where(one), int(one.proposal.mask.sum()))
            for one in self._found
        ]
        self._section.show_proposals(rows, SURE)
        if row is not None and go:
            self._section.select(row)
        elif row is not None:
            self._section.select(row, quiet=True)
        self._draw()

    def _draw(self) -> None:
        if self._map is not None:
            sure = {one for one in self._found if one.proposal.confidence >= SURE}
            self._map.show(self._found, sure, set(self._selected()))


def _covered(one: Found, refused: NDArray[np.bool_]) -> bool:
    """Whether most of a proposal was refused before."""
    mask = one.proposal.mask
    return bool(2 * np.count_nonzero(refused[one.proposal.part] & mask) > np.count_nonzero(mask))


def _like(one: Found, found: Sequence[Found]) -> int | None:
    """Return which proposal lies where another one did."""
    return next((n for n, new in enumerate(found) if new.holds(one.plane, one.position)), None)


def _where(one: Found) -> str:
    return ", ".join(str(i) for i in one.position)
