"""Few-shot presenter: learn a class from committed objects, fine-tune, review, train."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from psygnal import Signal, SignalGroup

from napari_promptseg._napari.presenters.annotation_queue import AnnotationQueue
from napari_promptseg._napari.presenters.class_search import ClassSearch
from napari_promptseg._napari.presenters.proposal_review import ProposalReview
from napari_promptseg._napari.presenters.training_process import TrainingProcess, new_run
from napari_promptseg._napari.worker.open_classes import OpenClasses
from napari_promptseg._napari.worker.patient_jobs import PatientJobs
from napari_promptseg.models.adapters import class_key, list_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari.layers import Image

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.status import StatusPresenter
    from napari_promptseg._napari.widgets.few_shot import FewShotSection
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.proposals import AnyProposal, Examples
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.training.data.datasets import Scene

_SECONDS: Final = 60.0
"""That fine-tuning may take."""


class FewShotEvents(SignalGroup):
    """Signals of the few-shot presenter."""

    adapted = Signal()
    """There is another model to choose now."""
    class_name = Signal(str)
    """The active object is of a class of this name."""


class FewShotPresenter:
    """Learns classes on threads of its own, so that clicks come first.

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
        self._jobs = PatientJobs(busy, self._failed)
        self._tuning = PatientJobs(lambda: busy() or self._jobs.busy, self._failed)
        self._classes = OpenClasses()
        self._scenes: dict[str, list[Scene]] = {}
        self._used_examples: WeakKeyDictionary[Image, dict[str, set[int]]] = WeakKeyDictionary()
        self._layer_sync: LayerSync | None = None
        self.queue = AnnotationQueue(section, status.show, self._rank, self._used_examples)
        self.review = ProposalReview(section, status.show)
        self.search = ClassSearch(section, status.show, self.review, self._jobs, self._classes)
        section.learn.connect(self.learn)
        section.find.connect(self._find)
        section.stop.connect(self.stop)
        section.train.connect(self.train)
        self.training = TrainingProcess()
        self.training.progressed.connect(
            lambda count, total: section.show_running("Training: step %v of %m", count, total)
        )
        self.training.ended.connect(self._trained)
        self.review.events.rejection.connect(self.search.reject)
        self.review.events.correction_requested.connect(self._fix)
        self._show_classes()

    @property
    def busy(self) -> bool:
        """True if anything that was asked for is not done and shown yet."""
        return self._jobs.busy or self._tuning.busy or self.training.running

    def follow(self, layer_sync: LayerSync | None) -> None:
        """Show another image, or none."""
        self.search.follow(layer_sync)
        if not self.busy:
            self._section.show_running("")
        self._layer_sync = layer_sync
        self.review.follow(layer_sync)
        self.queue.follow(layer_sync)
        self._section.setEnabled(layer_sync is not None)

    def close(self) -> None:
        """Stop all work and release the image."""
        self.follow(None)
        self._jobs.close()
        self._tuning.close()
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

            concept = self._classes.get(name, new=True)
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
        self._jobs.run(work, then)

    def _tune(self, concept: FewShotClass) -> None:
        """Fine-tune the network for clicks on a class, where there is enough to learn from."""
        from napari_promptseg.training.few_shot import FEWEST, fine_tune, take_tuned

        scenes = list(self._scenes.get(concept.name, ()))
        if sum(len(set(scene.labels.ravel())) - 1 for scene in scenes) < FEWEST:
            return

        def work(job: Job) -> bool:
            from napari_promptseg.few_shot.storage import save_class

            tuned = fine_tune(concept, scenes, _SECONDS, lambda: self._tuning.is_cancelled(job))
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
        self._tuning.run(work, then)

    def _find(self, name: str, everywhere: bool) -> None:
        if self._layer_sync is not None and self._named(name):
            self.search.find(name, everywhere)

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
        self._jobs.run(work, then)

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

            concept = self._classes.get(name) if is_class else None
            order = rank(images, concept, is_cancelled=lambda: self._jobs.is_cancelled(job))
            return [entry.key for entry in order]

        self._section.show_running("Comparing …")
        self._jobs.run(work, then)

    # Work behind the clicks

    def stop(self) -> None:
        """End a search and fine-tuning; what is found stays, what is learnt is measured."""
        self.search.stop()
        self._tuning.drop()
        self.training.stop()
        self._section.show_running("")

    def _failed(self, error: Exception) -> None:
        self._section.show_running("")
        self._show_error(error)

    def _named(self, name: str) -> bool:
        try:
            class_key(name)
        except ValueError:
            self._show_status("Give the class a name first")
            return False
        return True

    def _show_classes(self, selected: str = "") -> None:
        self._section.show_classes([key.replace("_", " ") for key in list_classes()], selected)
