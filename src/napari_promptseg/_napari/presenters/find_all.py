"""Presenter of all objects of a plane: found without examples, chosen by two sliders, reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.worker.proposals import LocatedProposal

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.proposal_review import ProposalReview
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.widgets.sections import PromptSection
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.instances.objects import FoundObjects


class FindAllPresenter:
    """Shows what `Session.find_all` finds as proposals; sliders choose among them at once.

    Parameters
    ----------
    prompts : PromptSection
        Where the button is.
    section : FewShotSection
        Where the sliders and the list are.
    review : ProposalReview
        Reviews proposals.
    show_status : callable
        Shows a message to the user.
    """

    def __init__(
        self,
        prompts: PromptSection,
        section: FewShotSection,
        review: ProposalReview,
        show_status: Callable[[str], None],
    ) -> None:
        self._section, self._review, self._show_status = section, review, show_status
        self._layer_sync: LayerSync | None = None
        self._result: tuple[Plane, FoundObjects] | None = None
        prompts.everything.connect(self.find)
        section.settings_changed.connect(self._choose)
        review.events.renamed.connect(self._hide_settings)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._layer_sync, self._result = layer_sync, None
        self._section.show_settings(False)

    def find(self) -> None:
        """Find all objects of the plane in view."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._show_status(NO_IMAGE)
            return
        plane = layer_sync.view.plane()
        if plane is None:
            self._show_status("Objects are looked for on one plane: go back to 2D first")
            return

        def then(proposals: FoundObjects) -> None:
            if self._layer_sync is layer_sync:
                self._show(plane, proposals)

        self._show_status("Looking for all objects of this plane …")
        layer_sync.controller.proposals.find_all(plane, then)

    def _show(self, plane: Plane, proposals: FoundObjects) -> None:
        self._result = plane, proposals
        self._section.show_settings(bool(proposals.objects))
        self._section.folded.expand(animate=False)
        self._choose()

    def _hide_settings(self, name: str) -> None:
        """Hide the sliders while proposals of a class are shown."""
        if name:
            self._result = None
            self._section.show_settings(False)

    def _choose(self) -> None:
        """Show what the present settings choose, without asking the network again."""
        if self._result is None or self._layer_sync is None:
            return
        from napari_promptseg.few_shot.proposals import Proposal

        plane, objects = self._result
        sensitivity, share = self._section.settings
        # The slider goes by diameter: half of the largest one's means a quarter of its area.
        largest = max((one.size for one in objects), default=0)
        selection = objects.chosen(sensitivity, min_size=share**2 * largest)
        labels = self._layer_sync.controller.labels[plane.slices]
        free = [one for one in selection if not _is_occupied(one.mask, labels[one.box])]
        proposals = [
            LocatedProposal(
                plane,
                # What the slider lets in is sure: "accept all" takes it.
                Proposal(one.mask, one.corner[0], one.corner[1], max(one.score, 0.5)),
            )
            for one in free
        ]
        self._review.add(plane, proposals, "")
        count = len(proposals)
        self._show_status(
            f"Found {count} objects: the keys . and , accept and reject, a click corrects"
            if count
            else "Found nothing on this plane"
        )


def _is_occupied(mask: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether other objects have more than half of a mask."""
    return bool(2 * np.count_nonzero((labels > 0) & mask) > np.count_nonzero(mask))
