"""A class of objects that is known by example: it finds more of them, and has a name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import all_planes
from napari_promptseg.data.resize import resize
from napari_promptseg.data.volume import ArrayLike, PlaneImage, Volume
from napari_promptseg.few_shot.candidates import disk_diameter
from napari_promptseg.few_shot.features import (
    FeatureExtractor,
    network_identity,
    square_labels,
    square_pixels,
)
from napari_promptseg.few_shot.pixel_classifier import PixelClassifier, Samples
from napari_promptseg.few_shot.proposals import SEEN_DIAMETER, Knowledge, Proposal, find_objects
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.models.text_models import TextPrediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor  # noqa: TC004 - annotations of a dataclass are not evaluated

    from napari_promptseg.few_shot.features import Float32

_CLOSER: Final = (1.0, 0.75, 1.33)
"""Scales at which examples are looked at: objects differ in size."""
_SMALLEST: Final = 12
"""Pixels of an example."""
_SURE: Final = 0.5
"""Confidence from which on an object is found by its word, and proposed by `propose`."""
_DECISIVE: Final = 20.0
"""Weight of a place that the user refused: that of many which are only background."""


@dataclass
class Concept:
    """A class of objects, learnt from examples.

    Parameters
    ----------
    name : str
        What it is called; also the name of its file in a library.
    synonyms : tuple of str
        Other words for it.
    description : str
        A sentence about it.
    device : str
        Where the network runs: "auto", "cpu", "cuda" or "mps".
    adapter : dict of str to tensor, optional
        Weights of the decoder that were fine-tuned on its objects.
    note : str
        What came of fine-tuning.

    Raises
    ------
    ValueError
        If the name is empty.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    description: str = ""
    device: str = "auto"
    adapter: dict[str, Tensor] | None = field(default=None, repr=False)
    note: str = ""
    _samples: list[Samples] = field(default_factory=list, repr=False)
    _diameters: list[float] = field(default_factory=list, repr=False)
    _classifier: PixelClassifier | None = field(default=None, repr=False)
    _observer: FeatureExtractor | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.name = self.name.strip()
        if not self.name:
            raise ValueError("a class needs a name, got an empty one")

    @property
    def diameters(self) -> list[float]:
        """Of the examples, in pixels."""
        return list(self._diameters)

    @property
    def examples(self) -> int:
        """How many objects it was learnt from."""
        return len(self._diameters)

    @property
    def diameter(self) -> float:
        """Of its objects, in pixels: the median of the examples."""
        return float(np.median(self._diameters))

    def backend(self) -> ClickNetBackend:
        """Return the network for clicks on its objects: adapted, if it was fine-tuned."""
        plain = ClickNetBackend(self.device)
        return plain if self.adapter is None else plain.adapted(self.adapter)

    def restore(
        self, samples: Samples, diameters: list[float], adapter: dict[str, Tensor] | None
    ) -> None:
        """Take what was learnt before, in place of what there is."""
        self._samples, self._diameters, self._classifier = [samples], list(diameters), None
        self.adapter = adapter

    @property
    def observer(self) -> FeatureExtractor:
        """The network, loaded when it is first needed."""
        if self._observer is None:
            self._observer = FeatureExtractor(self.device)
        return self._observer

    @property
    def identity(self) -> str:
        """Name of the class and identity of the network; see `TextModel`."""
        return f"{self.name} by {network_identity()}"

    def learn(self, image: PlaneImage, labels: NDArray[np.integer]) -> int:
        """Take objects as examples.

        Parameters
        ----------
        image : PlaneImage
            What they are on.
        labels : (H, W) integer array
            Their numbers; 0 is what nobody has marked. Objects of fewer than 12 pixels are
            left out.

        Returns
        -------
        int
            How many were taken.
        """
        seen = square_pixels(image)
        marked = square_labels(labels, (seen.shape[0], seen.shape[1]))
        taken = 0
        for label in np.unique(marked[marked > 0]):
            mask = marked == label
            if np.count_nonzero(mask) >= _SMALLEST:
                self._diameters.append(disk_diameter(mask))
                taken += 1
            else:
                marked[mask] = 0
        if taken:
            self._take(seen, lambda look: Samples.around(look, marked))
        return taken

    def refuse(self, image: PlaneImage, mask: NDArray[np.bool_]) -> None:
        """Take something as no object of the class: it is found less from now on.

        Parameters
        ----------
        image : PlaneImage
            What it is on.
        mask : (H, W) bool array
            Its pixels.

        Raises
        ------
        ValueError
            If the class has no example yet.
        """
        self.fitted()
        seen = square_pixels(image)
        refused = resize(mask, (seen.shape[0], seen.shape[1]))
        self._take(seen, lambda look: Samples.refused(look, refused, _DECISIVE))

    def _take(self, seen: Float32, sample: Callable[[Any], Samples]) -> None:
        looks = (self.observer.look(seen, SEEN_DIAMETER / self.diameter * c) for c in _CLOSER)
        self._samples += [sample(look) for look in looks]
        self._classifier = None

    def fitted(self) -> Knowledge:
        """Return what was learnt from the examples, at most 2,000 places of each kind.

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
        return Knowledge(samples, self._classifier, self.diameter)

    def proposals(
        self, image: PlaneImage, stopped: Callable[[], bool] = lambda: False
    ) -> list[Proposal]:
        """Find objects of the class on a plane.

        Parameters
        ----------
        image : PlaneImage
            Where to look.
        stopped : callable
            Asked now and then; once it says so, nothing is found.

        Returns
        -------
        list of Proposal
            The likeliest first; those below a confidence of a half are doubtful.

        Raises
        ------
        ValueError
            If the class has no example yet.
        """
        known = self.fitted()
        seen = square_pixels(image)
        found = find_objects(self.observer, seen, known, stopped)
        if seen.shape[:2] == image.shape:
            return found
        return [p for p in (_resized(p, seen.shape, image.shape) for p in found) if p is not None]

    def propose(self, image: ArrayLike | Volume, axes: str = "") -> NDArray[np.int32]:
        """Return the numbers of all objects of the class in an image.

        Parameters
        ----------
        image : array or Volume
            2D; a volume or video is gone through plane by plane.
        axes : str
            Of an array, as for `Session`.

        Returns
        -------
        int32 array of the spatial shape
            0 is background; the likeliest object has number 1.
        """
        volume = image if isinstance(image, Volume) else Volume(image, axes)
        labels = np.zeros(volume.shape, np.int32)
        count = 0
        for plane in all_planes(volume.names, volume.shape):
            view = labels[plane.slices]
            for proposal in self.proposals(volume.plane(plane)):
                if proposal.confidence >= _SURE:
                    count += 1
                    view[proposal.part][proposal.mask] = count
        return labels

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """See `TextModel.map`; the word is known if it names the class and one is found."""
        found = self.proposals(image) if self.answers_to(text) else []
        probability = np.zeros(image.shape, np.float32)
        for proposal in found:
            view = probability[proposal.part]
            view[proposal.mask] = np.maximum(view[proposal.mask], proposal.confidence)
        confidence = max((p.confidence for p in found), default=0.0)
        return TextPrediction(probability, confidence, confidence > _SURE)

    def answers_to(self, text: str) -> bool:
        """Tell whether a word or words name the class: by name, synonym or description."""
        word = _plain(text)
        if not word:
            return False
        names = {_plain(n) for n in (self.name, *self.synonyms)}
        return word in names or (len(word) > 2 and f" {word} " in f" {_plain(self.description)} ")

    def close(self) -> None:
        """Free the network; it is loaded again when it is needed."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None


def _plain(text: str) -> str:
    """Lower case, single spaces, no punctuation, and no plural."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return " ".join(w.removesuffix("s") if len(w) > 3 else w for w in words)


def _resized(proposal: Proposal, seen: tuple[int, ...], shape: tuple[int, int]) -> Proposal | None:
    mask = resize(proposal.whole((seen[0], seen[1])), shape)
    if not mask.any():
        return None
    return Proposal(mask, 0, 0, proposal.confidence)
