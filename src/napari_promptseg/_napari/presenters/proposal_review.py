"""Proposal review: show, select, accept and reject proposed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal, SignalGroup

from napari_promptseg._napari.layers.proposal_overlay import ProposalOverlay
from napari_promptseg._napari.worker.proposals import LocatedProposal, VolumeProposal, holds
from napari_promptseg.data.geometry import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.worker.proposals import AnyProposal

CONFIDENT: Final = 0.5
"""Confidence from which on a proposal is taken by "accept all"."""
_SHOWN: Final = 0.25
"""Confidence from which on a proposal is worth a look."""


class ProposalReviewEvents(SignalGroup):
    """Signals of a proposal review."""

    rejection = Signal(list, str)
    """Proposals are no objects of the class of a name."""
    correction_requested = Signal(object, str)
    """A proposal is to be corrected."""
    renamed = Signal(str)
    """Proposals of another class are shown, or of none for an empty name."""


class ProposalReview:
    """Keeps the list, the outlines and the selection alike.

    Parameters
    ----------
    section : FewShotSection
        Where the list is.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(self, section: FewShotSection, show_status: Any) -> None:
        self.events = ProposalReviewEvents()
        self._section, self._show_status = section, show_status
        self._layer_sync: LayerSync | None = None
        self._map: ProposalOverlay | None = None
        self._proposals: list[AnyProposal] = []
        self._refusals: dict[Plane, NDArray[np.bool_]] = {}
        self._refused_objects: set[tuple[tuple[int, ...], ...]] = set()
        self._name = ""
        section.selection_changed.connect(self._look_at)
        section.decided.connect(self.decide)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Go on with another image, or with none; what was not decided is found again."""
        if self._layer_sync is not None:
            self._layer_sync.clicks.before_click = None
        if self._map is not None:
            self._map.close()
        self._layer_sync, self._map = layer_sync, None
        self._forget()
        if layer_sync is not None:
            self._map = ProposalOverlay(layer_sync)
            layer_sync.clicks.before_click = self._clicked
        self._show()

    def add(self, plane: Plane, proposals: Sequence[LocatedProposal], name: str) -> None:
        """Show what is proposed on a plane, in place of what was proposed there before.

        What the user has refused there does not come back.
        """
        self._rename(name)
        refusals = self._refusals.get(plane)
        visible = [one for one in proposals if one.confidence >= _SHOWN]
        if refusals is not None:
            visible = [one for one in visible if not _covered(one, refusals)]
        others = [
            one
            for one in self._proposals
            if isinstance(one, LocatedProposal) and one.plane != plane
        ]
        self._replace([*others, *visible])

    def show_whole(self, proposals: Sequence[VolumeProposal], name: str) -> None:
        """Show what is proposed in the whole image, in place of everything else.

        What the user has refused does not come back.
        """
        self._rename(name)
        self._replace(
            [
                one
                for one in proposals
                if one.confidence >= _SHOWN and _key(one) not in self._refused_objects
            ]
        )

    def _rename(self, name: str) -> None:
        """Begin with a class of another name, or with none."""
        if name != self._name:
            self._forget()
            self._name = name
            self.events.renamed.emit(name)

    def _forget(self) -> None:
        self._proposals, self._refusals, self._refused_objects = [], {}, set()

    def _replace(self, proposals: Sequence[AnyProposal]) -> None:
        """Show other proposals; the selection stays where one lies as that of before did."""
        selected = self._selected()
        self._proposals = sorted(proposals, key=lambda one: -one.confidence)
        self._show(_like(selected[0], self._proposals) if selected else None)

    def undecided(self, plane: Plane) -> bool:
        """Return True if there are proposals on a plane."""
        return any(one.plane == plane for one in list(self._proposals))

    def summary(self, name: str) -> str:
        """Tell what was found."""
        confident = sum(one.confidence >= CONFIDENT for one in self._proposals)
        if not self._proposals:
            return f"Found no {name} here"
        doubtful = len(self._proposals) - confident
        text = f"{confident} proposed as {name}"
        if doubtful:
            text += f", {doubtful} doubtful"
        return f"{text}: the keys . and , accept and reject, a click corrects"

    # What the user does

    def decide(self, what: str) -> None:
        """Accept, reject or fix what is selected, or accept all that is sure."""
        if self._layer_sync is None:
            return
        selected = self._selected()
        if what == "accept all":
            selected = [one for one in self._proposals if one.confidence >= CONFIDENT]
        if not selected:
            text = "Select a proposal first" if self._proposals else "Nothing is proposed here"
            self._show_status(text)
            return
        row = min(self._proposals.index(one) for one in selected)
        if what == "fix":
            self._fix(selected[0])
            return
        self._proposals = [one for one in self._proposals if one not in selected]
        self._show(min(row, len(self._proposals) - 1) if self._proposals else None, go=True)
        if what == "reject":
            self._refuse(selected)
        else:
            self._layer_sync.controller.proposals.accept(selected, self._name)

    def step(self, by: int) -> None:
        """Select the next proposal, or the one before."""
        rows = self._section.selection
        if self._proposals:
            row = (rows[0] + by) % len(self._proposals) if rows else 0
            self._section.select(row)

    def _refuse(self, selected: Sequence[AnyProposal]) -> None:
        assert self._layer_sync is not None
        shape = self._layer_sync.controller.volume.shape
        for one in selected:
            if isinstance(one, VolumeProposal):
                self._refused_objects.add(_key(one))
                continue
            there = self._refusals.setdefault(
                one.plane, np.zeros(one.plane.shape_in(shape), np.bool_)
            )
            there[one.proposal.part] |= one.proposal.mask
        if not self._name:  # of no class, but of all objects
            self._show_status("Rejected")
            return
        self.events.rejection.emit(list(selected), self._name)
        self._show_status(f"Rejected: {self._name} learns from it")

    def _fix(self, one: AnyProposal) -> None:
        self._proposals.remove(one)
        self._show()
        self.events.correction_requested.emit(one, self._name)

    def _clicked(self, position: Sequence[float]) -> None:
        """Take a proposal that is clicked on into work, so that the click corrects it."""
        layer_sync = self._layer_sync
        if layer_sync is None or layer_sync.controller.snapshot.has_object:
            return
        plane = layer_sync.view.plane()
        if plane is None:
            return
        for one in self._proposals:
            if holds(one, plane, position):
                self._fix(one)
                return

    def _look_at(self, rows: list[int]) -> None:
        if self._layer_sync is not None and len(rows) == 1:
            self._layer_sync.view.look_at(self._proposals[rows[0]].position)
        self._draw()

    # What is shown

    def _selected(self) -> list[AnyProposal]:
        return [
            self._proposals[row] for row in self._section.selection if row < len(self._proposals)
        ]

    def _show(self, row: int | None = None, go: bool = False) -> None:
        """Show the list as it is now, with a row selected; go there if the user asked."""
        rows = [(one.confidence, _where(one), one.size) for one in self._proposals]
        self._section.show_proposals(rows, CONFIDENT)
        if row is not None and go:
            self._section.select(row)
        elif row is not None:
            self._section.select(row, quiet=True)
        self._draw()

    def _draw(self) -> None:
        if self._map is not None:
            confident = {one for one in self._proposals if one.confidence >= CONFIDENT}
            self._map.show(self._proposals, confident, set(self._selected()))


def _covered(one: LocatedProposal, refusals: NDArray[np.bool_]) -> bool:
    """Return True if most of a proposal was refused before."""
    mask = one.proposal.mask
    return bool(2 * np.count_nonzero(refusals[one.proposal.part] & mask) > np.count_nonzero(mask))


def _key(one: VolumeProposal) -> tuple[tuple[int, ...], ...]:
    """Return what tells an object from the others, in each search."""
    return one.instance.corner, one.instance.mask.shape


def _like(one: AnyProposal, proposals: Sequence[AnyProposal]) -> int | None:
    """Return which proposal lies where another one did."""
    position = one.position
    for number, new in enumerate(proposals):
        plane = new.plane or one.plane or _plane_at(position)
        if holds(new, plane, position):
            return number
    return None


def _plane_at(position: tuple[int, ...]) -> Plane:
    """Return the plane along the last two axes at a position."""
    return Plane((*position[:-2], None, None))


def _where(one: AnyProposal) -> str:
    return ", ".join(str(i) for i in one.position)
