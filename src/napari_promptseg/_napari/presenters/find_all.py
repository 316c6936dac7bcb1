"""Presenter of all objects of a plane or an image: found without examples, chosen, reviewed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_promptseg._napari.presenters.proposal_review import CONFIDENT
from napari_promptseg._napari.presenters.status import NO_IMAGE
from napari_promptseg._napari.worker.proposals import LocatedProposal, VolumeProposal
from napari_promptseg.instances.objects import FoundObjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.proposal_review import ProposalReview
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.widgets.sections import PromptSection
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.instances.objects import FoundObject


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
        self._prompts, self._section = prompts, section
        self._review, self._show_status = review, show_status
        self._layer_sync: LayerSync | None = None
        self._result: tuple[Plane | None, FoundObjects] | None = None
        self._job: Job | None = None
        prompts.everything.connect(self.find)
        section.settings_changed.connect(self._choose)
        section.stop.connect(self.stop)
        review.events.renamed.connect(self._hide_settings)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self.stop()
        self._layer_sync, self._result = layer_sync, None
        self._section.show_settings(False)
        self._prompts.offer_whole(_whole(layer_sync))

    def find(self, whole: bool) -> None:
        """Find all objects of the plane in view, or of the whole image."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            self._show_status(NO_IMAGE)
            return
        plane = layer_sync.view.plane()
        if plane is None and not whole:
            self._show_status("Objects are looked for on one plane: go back to 2D first")
            return
        place = None if whole else plane

        def then(proposals: FoundObjects) -> None:
            if self._layer_sync is layer_sync:
                self._show(place, proposals)

        self.stop()
        self._show_status(
            "Looking for all objects on this plane …"
            if place is not None
            else f"Looking for all objects {_whole(layer_sync).lower()}; a click ends the search"
        )
        self._job = layer_sync.controller.proposals.find_all(
            place, then, self._show_progress, self._settle
        )

    def stop(self) -> None:
        """End the search; what was found until then is shown."""
        if self._job is not None:
            self._job.stop_event.set()

    def _show_progress(self, done: int, total: int) -> None:
        if self._job is not None and total > 1:
            self._section.folded.expand(animate=False)
            self._section.show_running("Looking for objects … %v of %m planes", done, total)

    def _settle(self, job: Job) -> None:
        if self._job is job:
            self._job = None
            self._section.show_running("")

    def _show(self, plane: Plane | None, proposals: FoundObjects) -> None:
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
        plane, objects = self._result
        sensitivity, share = self._section.settings
        # The slider goes by diameter: half of the largest one's means a quarter of its area.
        largest = max((one.size for one in objects), default=0)
        dimensions = 2 if plane is not None else _dimensions(self._layer_sync)
        selection = objects.chosen(sensitivity, min_size=share**dimensions * largest)
        labels = self._layer_sync.controller.labels
        if plane is not None:
            labels = labels[plane.slices]
        free = FoundObjects.of(objects.shape, selection).outside(labels)
        # What the slider lets in is sure: "accept all" takes it.
        sure = [replace(one, score=max(one.score, CONFIDENT)) for one in free]
        if plane is None:
            self._review.show_whole([VolumeProposal(one) for one in sure], "")
        else:
            self._review.add(plane, [_located(plane, one) for one in sure], "")
        self._show_status(_summary(len(free), plane, objects.complete))


def _located(plane: Plane, one: FoundObject) -> LocatedProposal:
    from napari_promptseg.few_shot.proposals import Proposal

    return LocatedProposal(plane, Proposal(one.mask, one.corner[0], one.corner[1], one.score))


def _summary(count: int, plane: Plane | None, complete: bool) -> str:
    """Tell how many objects there are, and what to do with them."""
    if not count:
        return f"Found nothing {'on this plane' if plane is not None else 'in the image'}"
    objects = f"{count} object{'s' * (count != 1)}"
    if not complete:
        return f"Ended early: found {objects} so far; Find all begins anew"
    return f"Found {objects}: the keys . and , accept and reject, a click corrects"


def _whole(layer_sync: LayerSync | None) -> str:
    """Return what an image is in all, in words; empty if it is one plane."""
    if layer_sync is None:
        return ""
    volume = layer_sync.controller.volume
    long = [name for name, count in zip(volume.names, volume.shape, strict=True) if count > 1]
    if len(long) < 3:
        return ""
    if "t" not in long:
        return "In the whole volume"
    return "In all frames" if len(long) == 3 else "In the whole series"


def _dimensions(layer_sync: LayerSync) -> int:
    """Return the dimensions of the objects of an image: 3 in volumes, 2 in frames."""
    volume = layer_sync.controller.volume
    return len(volume.shape) - ("t" in volume.names)
