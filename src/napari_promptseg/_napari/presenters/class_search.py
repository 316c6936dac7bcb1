"""Search presenter: objects of a class, on planes and in 3D, as proposals to review."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_promptseg._napari.worker.main_thread import call_on_main_thread
from napari_promptseg._napari.worker.proposals import LocatedProposal, VolumeProposal, mask_on
from napari_promptseg.data.geometry import all_planes
from napari_promptseg.models.adapters import class_key, list_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.proposal_review import ProposalReview
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.open_classes import OpenClasses
    from napari_promptseg._napari.worker.patient_jobs import PatientJobs
    from napari_promptseg._napari.worker.proposals import AnyProposal
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.instances.objects import FoundObjects


class ClassSearch:
    """Finds objects of classes behind the clicks, and shows them for review.

    Parameters
    ----------
    section : FewShotSection
        Where progress is shown.
    show_status : callable
        Shows a message.
    review : ProposalReview
        Takes what is found.
    jobs : PatientJobs
        Where the search runs.
    classes : OpenClasses
        The classes.
    """

    def __init__(
        self,
        section: FewShotSection,
        show_status: Callable[[str], None],
        review: ProposalReview,
        jobs: PatientJobs,
        classes: OpenClasses,
    ) -> None:
        self._section, self._show_status, self._review = section, show_status, review
        self._jobs, self._classes = jobs, classes
        self._layer_sync: LayerSync | None = None
        self._job: Job | None = None
        self._volume_job: Job | None = None

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Search another image from now on, or none."""
        self._drop()
        self._layer_sync = layer_sync

    def stop(self) -> None:
        """End a search; what it has proposed stays."""
        if self._volume_job is not None and self._jobs.busy:
            self._show_status("Stopped: objects in 3D are proposed when the search is over")
        self._drop()

    def _drop(self) -> None:
        self._job = self._volume_job = None
        self._jobs.drop()

    def find(self, name: str, everywhere: bool) -> None:
        """Propose objects of a class: on the plane in view, or in all of the image.

        Those of volumes are in 3D; frames of videos are searched from the one in view outward.
        """
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        if class_key(name) not in list_classes():
            self._show_status(f"No class {name!r} yet: commit a few, then press Learn")
            return
        plane = layer_sync.view.plane()
        if plane is None:
            self._show_status("Objects are looked for on planes: go back to 2D first")
            return
        self._drop()
        volume = layer_sync.controller.volume
        if everywhere and "z" in volume.names:
            self._search_volume(name, layer_sync)
            return
        planes = _outward(volume, plane) if everywhere else [plane]
        self._search_planes(name, layer_sync, iter(planes), 0, len(planes))

    def _search_planes(
        self, name: str, layer_sync: LayerSync, planes: Iterator[Plane], searched: int, total: int
    ) -> None:
        plane = next(planes, None)
        if plane is None:
            self._section.show_running("")
            self._show_status(self._review.summary(name))
            return
        self._section.show_running(f"Looking for {name} … %v of %m", searched, total)

        def work(job: Job) -> list[LocatedProposal]:
            return self._look(self._classes.get(name), layer_sync, plane, job)

        def then(proposals: list[LocatedProposal]) -> None:
            if self._job is job:
                self._review.add(plane, proposals, name)
                self._search_planes(name, layer_sync, planes, searched + 1, total)

        job = self._job = self._jobs.run(work, then)

    def _look(
        self, concept: FewShotClass, layer_sync: LayerSync, plane: Plane, job: Job
    ) -> list[LocatedProposal]:
        """Find objects on a plane, on the worker."""
        from napari_promptseg.few_shot.proposals import exclude_occupied

        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        volume.check_whole(plane, "finding objects of a class")
        proposals = concept.proposals(volume.plane(plane), lambda: self._jobs.is_cancelled(job))
        free = exclude_occupied(proposals, labels[plane.slices])
        return [LocatedProposal(plane, proposal) for proposal in free]

    def _search_volume(self, name: str, layer_sync: LayerSync) -> None:
        """Find objects in 3D, in a volume or a series of volumes."""
        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        text = f"Looking for {name} … %v of %m planes"

        def work(job: Job) -> FoundObjects:
            def show(done: int, total: int) -> None:
                if self._job is job:
                    self._section.show_running(text, done, total)

            first = next(all_planes(volume.names, volume.shape))
            volume.check_whole(first, "finding objects of a class")
            objects = self._classes.get(name).find_all(
                volume,
                lambda done, total: call_on_main_thread(partial(show, done, total)),
                lambda: self._jobs.is_cancelled(job),
            )
            return objects.outside(labels)

        def then(objects: FoundObjects) -> None:
            if self._job is job:
                self._volume_job = None
                self._section.show_running("")
                self._review.show_whole([VolumeProposal(one) for one in objects], name)
                self._show_status(self._review.summary(name))

        self._section.show_running(text, 0, sum(volume.shape))
        job = self._job = self._volume_job = self._jobs.run(work, then)

    def reject(self, proposals: Sequence[AnyProposal], name: str) -> None:
        """Teach the class what it is not, and look again on planes where that was."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        planes = list(dict.fromkeys(one.plane for one in proposals if one.plane is not None))

        def work(job: Job) -> dict[Plane, list[LocatedProposal]]:
            from napari_promptseg.few_shot.storage import save_class

            concept, volume = self._classes.get(name), layer_sync.controller.volume
            for one in proposals:
                plane = one.largest_plane()
                image = volume.plane(plane)
                concept.refuse(image, mask_on(one, plane, image.shape))
            save_class(concept)
            undecided = [plane for plane in planes if self._review.undecided(plane)]
            return {plane: self._look(concept, layer_sync, plane, job) for plane in undecided}

        def then(proposals_by_plane: dict[Plane, list[LocatedProposal]]) -> None:
            for plane, new in proposals_by_plane.items():
                self._review.add(plane, new, name)

        self._jobs.run(work, then)


def _outward(volume: Volume, plane: Plane) -> list[Plane]:
    """Return the planes that are cut as one is, the nearest first."""
    fixed_axes = [axis for axis, entry in enumerate(plane.index) if entry is not None]
    if not fixed_axes:
        return [plane]
    along = fixed_axes[-1]
    here = plane.index[along] or 0
    order = sorted(range(volume.shape[along]), key=lambda index: abs(index - here))
    return [plane.moved(along, index) for index in order]
