"""Few-shot class of objects: examples, name and synonyms, and proposals of more objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.data.resize import resize
from napari_promptseg.data.volume import ArrayLike, PlaneImage, Volume
from napari_promptseg.few_shot.candidates import MIN_AREA
from napari_promptseg.few_shot.dense_candidates import dense_overlaps
from napari_promptseg.few_shot.features import (
    FeatureExtractor,
    Float32,
    network_identity,
    square_labels,
    square_pixels,
)
from napari_promptseg.few_shot.pixel_classifier import (
    REJECTION_WEIGHT,
    PixelClassifier,
    Samples,
)
from napari_promptseg.few_shot.proposals import Knowledge, Proposal, find_objects
from napari_promptseg.few_shot.scales import SEEN_DIAMETER, disk_diameter
from napari_promptseg.few_shot.volume_objects import find_in_volume
from napari_promptseg.instances.finder import find_in_frames
from napari_promptseg.instances.objects import FoundObject, FoundObjects
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.models.text_models import TextPrediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report

_SCALES: Final = (1.0, 0.75, 1.33)
"""Relative scales at which features of examples are sampled, as augmentation."""
_MIN_CONFIDENCE: Final = 0.5
"""Confidence above which an object is returned by `propose` and by text."""


@dataclass
class FewShotClass:
    """A class of objects, learnt from examples.

    Parameters
    ----------
    name : str
        Name of the class; its key (`class_key`) names the file in the library.
    synonyms : tuple of str
        Other names.
    description : str
        Description for people; its words also match text prompts.
    device : str
        Device of the network: "auto", "cpu", "cuda" or "mps".
    adapter : dict of str to array, optional
        Decoder weights fine-tuned on its objects.
    note : str
        Result of fine-tuning, for people.

    Raises
    ------
    ValueError
        If the name is empty.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    description: str = ""
    device: str = "auto"
    adapter: dict[str, Float32] | None = field(default=None, repr=False)
    note: str = ""
    _samples: list[Samples] = field(default_factory=list, repr=False)
    _diameters: list[float] = field(default_factory=list, repr=False)
    _overlaps: list[float] = field(default_factory=list, repr=False)
    _classifier: PixelClassifier | None = field(default=None, repr=False)
    _extractor: FeatureExtractor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.name = self.name.strip()
        if not self.name:
            raise ValueError("a class needs a name, got an empty one")

    @property
    def diameters(self) -> list[float]:
        """Diameters of the examples, in pixels."""
        return list(self._diameters)

    @property
    def examples(self) -> int:
        """Number of objects that it was learnt from."""
        return len(self._diameters)

    @property
    def overlaps(self) -> list[float]:
        """IoU of each example with what the network that finds all objects finds there."""
        return list(self._overlaps)

    @property
    def diameter(self) -> float:
        """Median diameter of the examples, in pixels."""
        return float(np.median(self._diameters))

    def backend(self) -> ClickNetBackend:
        """Return the network for clicks on its objects: adapted, if it was fine-tuned."""
        plain = ClickNetBackend(self.device)
        return plain if self.adapter is None else plain.adapted(self.adapter)

    def restore(
        self,
        samples: Samples,
        diameters: list[float],
        overlaps: list[float],
        adapter: dict[str, Float32] | None,
    ) -> None:
        """Replace what was learnt, and the adapter, by what was saved."""
        self._samples, self._diameters, self._classifier = [samples], list(diameters), None
        self._overlaps, self.adapter = list(overlaps), adapter

    @property
    def extractor(self) -> FeatureExtractor:
        """Feature extractor, loaded on first use."""
        if self._extractor is None:
            self._extractor = FeatureExtractor(self.device)
        return self._extractor

    @property
    def identity(self) -> str:
        """Name of the class and identity of the network; see `TextModel`."""
        return f"{self.name} by {network_identity()}"

    def learn(self, image: PlaneImage, labels: NDArray[np.integer]) -> int:
        """Add objects as examples.

        Parameters
        ----------
        image : PlaneImage
            Plane that they are on.
        labels : (H, W) integer array
            Instance labels; 0 is not annotated. Objects of fewer than 12 pixels are skipped.

        Returns
        -------
        int
            Number of examples added.
        """
        pixels = square_pixels(image)
        square = square_labels(labels, (pixels.shape[0], pixels.shape[1]))
        count = 0
        for label in np.unique(square[square > 0]):
            mask = square == label
            if np.count_nonzero(mask) >= MIN_AREA:
                self._diameters.append(disk_diameter(mask))
                count += 1
            else:
                square[mask] = 0
        if count:
            network = self.extractor.instance_network
            self._overlaps += dense_overlaps(network, pixels, square, self.diameter)
            self._add(pixels, lambda features: Samples.around(features, square))
        return count

    def refuse(self, image: PlaneImage, mask: NDArray[np.bool_]) -> None:
        """Add a mask as a counterexample: similar proposals become less likely.

        Parameters
        ----------
        image : PlaneImage
            Plane of the mask.
        mask : (H, W) bool array
            Pixels that do not belong to an object of the class.

        Raises
        ------
        ValueError
            If the class has no example yet.
        """
        self.knowledge()
        pixels = square_pixels(image)
        square = resize(mask, (pixels.shape[0], pixels.shape[1]))
        self._add(pixels, lambda features: Samples.background(features, square, REJECTION_WEIGHT))

    def _add(self, pixels: Float32, sample: Callable[[Any], Samples]) -> None:
        feature_maps = (
            self.extractor.extract(pixels, SEEN_DIAMETER / self.diameter * c) for c in _SCALES
        )
        # Rounded at once: a class that was saved and read again proposes the same.
        self._samples += [sample(features).rounded() for features in feature_maps]
        self._classifier = None

    def knowledge(self) -> Knowledge:
        """Return samples and classifier, with at most 2,000 samples of each kind.

        Raises
        ------
        ValueError
            If there is no example yet.
        """
        if not self._samples:
            raise ValueError(f"the class {self.name!r} has no example yet")
        samples = Samples.join(self._samples).thinned()
        self._samples = [samples]
        if self._classifier is None:
            self._classifier = PixelClassifier.learn(samples)
        return Knowledge(samples, self._classifier, self.diameter, tuple(self._overlaps))

    def proposals(
        self, image: PlaneImage, is_cancelled: Callable[[], bool] = lambda: False
    ) -> list[Proposal]:
        """Propose objects of the class on a plane.

        Parameters
        ----------
        image : PlaneImage
            The plane.
        is_cancelled : callable
            Called between steps; once it returns True, the result is empty.

        Returns
        -------
        list of Proposal
            Proposals in order of falling confidence; those below 0.5 are doubtful.

        Raises
        ------
        ValueError
            If the class has no example yet.
        """
        knowledge = self.knowledge()
        pixels = square_pixels(image)
        proposals = find_objects(self.extractor, pixels, knowledge, is_cancelled)
        if pixels.shape[:2] == image.shape:
            return proposals
        return [
            p for p in (_resized(p, pixels.shape, image.shape) for p in proposals) if p is not None
        ]

    def find_all(
        self, volume: Volume, report: Report = no_report, is_cancelled: Callable[[], bool] = never
    ) -> FoundObjects:
        """Find the objects of the class in an image, a volume (in 3D), or each frame of a series.

        Parameters
        ----------
        volume : Volume
            The image.
        report : callable
            Called after each plane with the number of planes done, and of all.
        is_cancelled : callable
            Called between steps; once it returns True, those of whole frames are the result.

        Returns
        -------
        FoundObjects
            Confidences as scores; below 0.5, an object is doubtful.

        Raises
        ------
        ValueError
            If the class has no example yet.
        """
        knowledge = self.knowledge()

        def find(frame: tuple[int | None, ...], report: Report) -> list[FoundObject]:
            if "z" in volume.names:
                return find_in_volume(
                    self.extractor, knowledge, volume, frame, report, is_cancelled
                )
            proposals = self.proposals(volume.plane(Plane(frame)), is_cancelled)
            report(1, 1)
            return [FoundObject(p.mask, (p.top, p.left), p.confidence) for p in proposals]

        return find_in_frames(volume, find, report, is_cancelled)

    def propose(self, image: ArrayLike | Volume, axes: str = "") -> NDArray[np.int32]:
        """Return the instance labels of all objects of the class in an image.

        Parameters
        ----------
        image : array or Volume
            An image, a volume, whose objects are in 3D, or a series of either.
        axes : str
            Axes of an array, as for `Session`.

        Returns
        -------
        int32 array of the spatial shape
            0 is background; labels are in order of falling confidence.
        """
        volume = image if isinstance(image, Volume) else Volume(image, axes)
        return self.find_all(volume).labels(1 - _MIN_CONFIDENCE)

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """See `TextModel.map`; a word is known if it names the class and an object is found."""
        proposals = self.proposals(image) if self.answers_to(text) else []
        probability = np.zeros(image.shape, np.float32)
        for proposal in proposals:
            view = probability[proposal.part]
            view[proposal.mask] = np.maximum(view[proposal.mask], proposal.confidence)
        confidence = max((p.confidence for p in proposals), default=0.0)
        return TextPrediction(probability, confidence, confidence > _MIN_CONFIDENCE)

    def answers_to(self, text: str) -> bool:
        """Return whether a text names the class: by name, synonym or words of the description."""
        word = _plain(text)
        if not word:
            return False
        names = {_plain(n) for n in (self.name, *self.synonyms)}
        return word in names or (len(word) > 2 and f" {word} " in f" {_plain(self.description)} ")

    def close(self) -> None:
        """Free the network; it is loaded again on demand."""
        if self._extractor is not None:
            self._extractor.close()
            self._extractor = None


def _plain(text: str) -> str:
    """Return a text in lower case and singular, without punctuation."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return " ".join(w.removesuffix("s") if len(w) > 3 else w for w in words)


def _resized(
    proposal: Proposal, source: tuple[int, ...], shape: tuple[int, int]
) -> Proposal | None:
    mask = resize(proposal.whole((source[0], source[1])), shape)
    if not mask.any():
        return None
    return Proposal(mask, 0, 0, proposal.confidence)
