"""Few-shot presenter: learn a class from committed objects, find more, review, train."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup

from napari_promptseg._napari.native_libraries import prepare_for_torch
from napari_promptseg._napari.presenters.annotation_queue import AnnotationQueue
from napari_promptseg._napari.presenters.proposal_review import ProposalReview
from napari_promptseg._napari.presenters.training_process import TrainingProcess, new_run
from napari_promptseg._napari.worker.job_queue import Job, JobQueue
from napari_promptseg._napari.worker.main_thread import call_on_main_thread
from napari_promptseg._napari.worker.proposals import LocatedProposal, VolumeProposal, mask_on
from napari_promptseg.data.geometry import all_planes
from napari_promptseg.models.adapters import class_key, list_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from napari.layers import Image

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.worker.proposals import AnyProposal, Examples
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.instances.objects import FoundObjects
    from napari_promptseg.training.data.datasets import Scene

_SECONDS: Final = 60.0
"""That fine-tuning may take."""
_PATIENCE: Final = 2.0
"""Seconds that work behind clicks waits for them at each step, at most."""


class FewShotEvents(SignalGroup):
    """Signals of the few-shot presenter."""

    adapted = Signal()
    """There is another model to choose now."""
    class_name = Signal(str)
    """The active object is of a class of this name."""


class FewShotPresenter:
    """Learns classes and finds their objects on threads of its own, so that clicks come first.

    Parameters
    ----------
    section : FewShotSection
        Where the user asks.
    status : StatusPresenter
        Shows messages and errors.
    busy : callable
        Whether prompts wait for an answer.
    """

    def __init__(
        self,
        section: FewShotSection,
        status: StatusPresenter,
        busy: Callable[[], bool],
    ) -> None:
        self.events = FewShotEvents()
        self._section, self._show_status, self._show_error = section, status.show, status.show_error
        self._prompted = busy
        self._worker, self._tuner = JobQueue(call_on_main_thread), JobQueue(call_on_main_thread)
        self._concepts: dict[str, FewShotClass] = {}
        self._scenes: dict[str, list[Scene]] = {}
        self._used_examples: WeakKeyDictionary[Image, dict[str, set[int]]] = WeakKeyDictionary()
        self._layer_sync: LayerSync | None = None
        self._searched: Job | None = None
        self._searches_volume = False
        self.queue = AnnotationQueue(section, status.show, self._rank, self._used_examples)
        self.review = ProposalReview(section, status.show)
        section.learn.connect(self.learn)
        section.find.connect(self.find)
        section.stop.connect(self.stop)
        section.train.connect(self.train)
        self.training = TrainingProcess()
        self.training.progressed.connect(
            lambda count, total: section.show_running("Training: step %v of %m", count, total)
        )
        self.training.ended.connect(self._trained)
        self.review.events.rejection.connect(self._reject)
        self.review.events.correction_requested.connect(self._fix)
        self._show_classes()

    @property
    def busy(self) -> bool:
        """True if anything that was asked for is not done and shown yet."""
        return self._worker.busy or self._tuner.busy or self.training.running

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""
        self._stop_search()
        if not self.busy:
            self._section.show_running("")
        self._layer_sync = layer_sync
        self.review.follow(layer_sync)
        self.queue.follow(layer_sync)
        self._section.setEnabled(layer_sync is not None)

    def close(self) -> None:
        """Stop all work and release the image."""
        self.follow(None)
        self._worker.close()
        self._tuner.close()
        self.training.close()

    # Learning

    def learn(self, name: str) -> None:
        """Learn a class from committed objects, those of its name if some are called so."""
        layer_sync = self._layer_sync
        if layer_sync is None or not self._named(name):
            return
        if not layer_sync.controller.snapshot.objects:
            self._show_status("Commit some objects first: the class is learnt from them")
            return
        used_labels = self._used_examples.setdefault(layer_sync.image, {}).setdefault(
            class_key(name), set()
        )
        then = partial(self._learn_from, name, used_labels, layer_sync.controller.volume)
        layer_sync.controller.proposals.examples(name, used_labels, then)

    def _learn_from(
        self, name: str, used_labels: set[int], volume: Volume, examples: Examples
    ) -> None:
        if not examples:
            self._show_status(f"All objects here are examples of {name!r} already")
            return
        used_labels |= {int(label) for _, labels in examples for label in labels.ravel() if label}

        def work(_: Job) -> FewShotClass:
            from napari_promptseg.few_shot.storage import save_class
            from napari_promptseg.training.few_shot import has_upright_planes, learn_from

            concept = self._concept(name, new=True)
            scenes = self._scenes.setdefault(name, [])
            upright = has_upright_planes(volume)
            scenes += learn_from(concept, examples, str(len(scenes)), upright)
            save_class(concept)
            return concept

        def then(concept: FewShotClass) -> None:
            self._section.show_running("")
            self._show_classes(name)
            count = f"{concept.examples} example{'s' * (concept.examples != 1)}"
            self._show_status(f"Learnt {name!r} from {count}: now find more of them")
            self._tune(concept)

        self._section.show_running(f"Learning {name} …")
        self._run(self._worker, work, then)

    def _tune(self, concept: FewShotClass) -> None:
        """Fine-tune the network for clicks on a class, where there is enough to learn from."""
        from napari_promptseg.training.few_shot import FEWEST, fine_tune, take_tuned

        scenes = list(self._scenes.get(concept.name, ()))
        if sum(len(set(scene.labels.ravel())) - 1 for scene in scenes) < FEWEST:
            return

        def work(job: Job) -> bool:
            from napari_promptseg.few_shot.storage import save_class

            def is_cancelled() -> bool:
                return self._wait(job, lambda: self._prompted() or self._worker.busy)

            tuned = fine_tune(concept, scenes, _SECONDS, is_cancelled)
            take_tuned(concept, tuned)
            save_class(concept)
            return tuned.adapter is not None

        def then(improved: bool) -> None:
            self._section.show_running("")
            verdict = f"choose 'ClickNet for {concept.name}' as model" if improved else "not kept"
            self._show_status(f"Fine-tuned: {concept.note.partition(',')[0]}; {verdict}")
            if improved:
                self.events.adapted.emit()

        self._section.show_running("Fine-tuning, up to a minute")
        self._run(self._tuner, work, then)

    # Finding

    def find(self, name: str, everywhere: bool) -> None:
        """Propose objects of a class: on the plane in view, or in all of the image.

        Those of volumes are in 3D; frames of videos are searched from the one in view outward.
        """
        layer_sync = self._layer_sync
        if layer_sync is None or not self._named(name):
            return
        if class_key(name) not in list_classes():
            self._show_status(f"No class {name!r} yet: commit a few, then press Learn")
            return
        plane = layer_sync.view.plane()
        if plane is None:
            self._show_status("Objects are looked for on planes: go back to 2D first")
            return
        self._stop_search()
        volume = layer_sync.controller.volume
        if everywhere and "z" in volume.names:
            self._search_volume(name, layer_sync)
            return
        planes = _outward(volume, plane) if everywhere else [plane]
        self._search(name, layer_sync, iter(planes), 0, len(planes))

    def _search(
        self, name: str, layer_sync: LayerSync, planes: Iterator[Plane], searched: int, total: int
    ) -> None:
        plane = next(planes, None)
        if plane is None:
            self._section.show_running("")
            self._show_status(self.review.summary(name))
            return
        self._section.show_running(f"Looking for {name} … %v of %m", searched, total)

        def work(job: Job) -> list[LocatedProposal]:
            return self._look(self._concept(name), layer_sync, plane, job)

        def then(proposals: list[LocatedProposal]) -> None:
            if self._searched is job:
                self.review.add(plane, proposals, name)
                self._search(name, layer_sync, planes, searched + 1, total)

        job = self._searched = self._run(self._worker, work, then)

    def _look(
        self, concept: FewShotClass, layer_sync: LayerSync, plane: Plane, job: Job
    ) -> list[LocatedProposal]:
        """Find objects on a plane, on the worker."""
        from napari_promptseg.few_shot.proposals import exclude_occupied

        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        volume.check_whole(plane, "finding objects of a class")
        proposals = concept.proposals(volume.plane(plane), lambda: self._wait(job, self._prompted))
        free = exclude_occupied(proposals, labels[plane.slices] > 0)
        return [LocatedProposal(plane, proposal) for proposal in free]

    def _search_volume(self, name: str, layer_sync: LayerSync) -> None:
        """Find objects in 3D, in a volume or a series of volumes."""
        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        text = f"Looking for {name} … %v of %m planes"

        def work(job: Job) -> FoundObjects:
            def show(done: int, total: int) -> None:
                if self._searched is job:
                    self._section.show_running(text, done, total)

            first = next(all_planes(volume.names, volume.shape))
            volume.check_whole(first, "finding objects of a class")
            objects = self._concept(name).find_all(
                volume,
                lambda done, total: call_on_main_thread(partial(show, done, total)),
                lambda: self._wait(job, self._prompted),
            )
            return objects.outside(labels)

        def then(objects: FoundObjects) -> None:
            if self._searched is job:
                self._searches_volume = False
                self._section.show_running("")
                self.review.show_whole([VolumeProposal(one) for one in objects], name)
                self._show_status(self.review.summary(name))

        self._section.show_running(text, 0, sum(volume.shape))
        job = self._searched = self._run(self._worker, work, then)
        self._searches_volume = True

    def _reject(self, proposals: Sequence[AnyProposal], name: str) -> None:
        """Teach the class what it is not, and look again on planes where that was."""
        layer_sync = self._layer_sync
        if layer_sync is None:
            return
        planes = list(dict.fromkeys(one.plane for one in proposals if one.plane is not None))

        def work(job: Job) -> dict[Plane, list[LocatedProposal]]:
            from napari_promptseg.few_shot.storage import save_class

            concept, volume = self._concept(name), layer_sync.controller.volume
            for one in proposals:
                plane = one.largest_plane()
                image = volume.plane(plane)
                concept.refuse(image, mask_on(one, plane, image.shape))
            save_class(concept)
            undecided = [plane for plane in planes if self.review.undecided(plane)]
            return {plane: self._look(concept, layer_sync, plane, job) for plane in undecided}

        def then(proposals_by_plane: dict[Plane, list[LocatedProposal]]) -> None:
            for plane, new in proposals_by_plane.items():
                self.review.add(plane, new, name)

        self._run(self._worker, work, then)

    def _fix(self, proposal: AnyProposal, name: str) -> None:
        if self._layer_sync is not None:
            self.events.class_name.emit(name)
            self._layer_sync.controller.proposals.take_over(proposal)

    # Training

    def train(self, name: str) -> None:
        """Fine-tune the network on all committed objects of the image, in its own process."""
        layer_sync = self._layer_sync
        if layer_sync is None or not self._named(name):
            return
        if self.training.running:
            self._show_status("Another training goes on: stop it first")
            return
        volume, labels = layer_sync.controller.volume, layer_sync.controller.labels
        run = new_run(name)

        def work(_: Job) -> int:
            from napari_promptseg.training.data.user_labels import write_training_set

            return write_training_set([volume], [labels], run / "data")

        def then(count: int) -> None:
            from napari_promptseg.training.data.user_labels import FEWEST

            self._section.show_running("")
            if count < FEWEST:
                self._show_status(
                    f"Training needs objects on {FEWEST} planes or more, here are {count}; "
                    "Learn needs fewer"
                )
                return
            self.training.start([str(run / "data"), "--output", str(run), "--name", name])
            self._section.show_running("Training …")
            self._show_status(f"Training on {count} planes; napari can be used meanwhile")

        self._section.show_running("Writing the planes …")
        self._run(self._worker, work, then)

    def _trained(self, well: bool, words: str) -> None:
        self._section.show_running("")
        if well:
            self.events.adapted.emit()
        self._show_status(f"Trained: {words}" if well else f"Training: {words}")

    def _rank(
        self,
        name: str,
        images: Iterable[tuple[int, PlaneImage]],
        then: Callable[[list[int]], None],
    ) -> None:
        """Order images by what annotating them would teach a class; without one, by novelty."""
        is_class = bool(name) and class_key(name) in list_classes()

        def work(job: Job) -> list[int]:
            from napari_promptseg.few_shot.active_learning import rank

            concept = self._concept(name) if is_class else None
            order = rank(images, concept, is_cancelled=lambda: self._wait(job, self._prompted))
            return [entry.key for entry in order]

        self._section.show_running("Comparing …")
        self._run(self._worker, work, then)

    # Work behind the clicks

    def stop(self) -> None:
        """End a search and fine-tuning; what is found stays, what is learnt is measured."""
        if self._searched is not None and self._searches_volume:
            self._show_status("Stopped: objects in 3D are proposed when the search is over")
        self._stop_search()
        self._tuner.drop(self)
        self.training.stop()
        self._section.show_running("")

    def _stop_search(self) -> None:
        self._searched, self._searches_volume = None, False
        self._worker.drop(self)

    def _run(
        self, worker: JobQueue, work: Callable[[Job], Any], then: Callable[[Any], None]
    ) -> Job:
        def start(job: Job) -> Any:
            prepare_for_torch()
            return work(job)

        def failed(error: Exception) -> None:
            self._section.show_running("")
            self._show_error(error)

        job = Job(start, then, failed, self)
        worker.submit(job)
        return job

    @staticmethod
    def _wait(job: Job, busy: Callable[[], bool]) -> bool:
        """Let others go first for a while; return whether the job is to end early."""
        seconds = 0.0
        while busy() and seconds < _PATIENCE and not job.stop_event.wait(0.02):
            seconds += 0.02
        return job.stop_event.is_set()

    def _concept(self, name: str, new: bool = False) -> FewShotClass:
        """Return a class, from its file where it was not in use yet; on the worker."""
        from napari_promptseg.few_shot.few_shot_class import FewShotClass
        from napari_promptseg.few_shot.storage import Library

        key = class_key(name)
        if key not in self._concepts:
            fresh = new and key not in list_classes()
            self._concepts[key] = FewShotClass(name) if fresh else Library().get(key)
        return self._concepts[key]

    def _named(self, name: str) -> bool:
        try:
            class_key(name)
        except ValueError:
            self._show_status("Give the class a name first")
            return False
        return True

    def _show_classes(self, selected: str = "") -> None:
        self._section.show_classes([key.replace("_", " ") for key in list_classes()], selected)


def _outward(volume: Volume, plane: Plane) -> list[Plane]:
    """Return the planes that are cut as one is, the nearest first."""
    fixed_axes = [axis for axis, entry in enumerate(plane.index) if entry is not None]
    if not fixed_axes:
        return [plane]
    along = fixed_axes[-1]
    here = plane.index[along] or 0
    order = sorted(range(volume.shape[along]), key=lambda index: abs(index - here))
    return [plane.moved(along, index) for index in order]
