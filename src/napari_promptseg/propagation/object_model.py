"""Model of an object against its surroundings, which corrects the priors of other frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box
from napari_promptseg.data.resize import resize
from napari_promptseg.few_shot.features import dense_features
from napari_promptseg.few_shot.pixel_classifier import BACKGROUND, PixelClassifier, Samples
from napari_promptseg.models.capabilities import DenseFeatures

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.few_shot.features import FeatureMap
    from napari_promptseg.propagation.base import Mask

Float32 = NDArray[np.float32]
_SIDE: Final = 256
"""Longer side of what the network sees of a frame, in pixels."""
_SMALLEST: Final = 96
"""Least side of it in pixels of the frame."""
_NARROW, _WIDE = 1.8, 4.0
"""Side of it relative to the box of the object: around the object, and to search for it."""
_ITERATIONS: Final = 25
"""Of each fit; more take longer and follow no better."""
_LIMIT: Final = 6.0
"""Bound of the log-odds of a pixel, so that no single place decides."""
_OUTSIDE: Final = -2.0
"""Log-odds beyond what the network sees, in a search."""
_RING: Final = 0.35
"""Width of the surroundings relative to the square root of the area of an object."""
_BLUR: Final = 0.08
"""The same of the border of a prior, within which the model moves it easily."""
_DOUBT: Final = 0.02
"""Odds that a prior is wrong even far from its border."""
_SURE: Final = 3.0
"""Contrast of the log-odds inside and around a prior above which it is not searched for."""
_MARGIN, _PER_SIZE = 0.7, 0.5
"""By how much the contrast must be better elsewhere, and how much more per size of distance."""
_REMAINS: Final = 0.3
"""Share of its area that a prior keeps at least; less is no correction but a failure."""


@dataclass(frozen=True, slots=True)
class ObjectModel:
    """Logistic regression of the pixels of an object on features of a network.

    It is a target model as of FRTM (Robinson et al. 2020, arXiv:2003.00908): what the object and
    its surroundings look like is learnt from the frame that the user annotated and from one of the
    last, and tells them apart in the next.

    Parameters
    ----------
    backend : DenseFeatures
        Has the features.
    samples : Samples
        Of the annotated frame.
    classifier : PixelClassifier
        Tells the object from its surroundings.
    """

    backend: DenseFeatures
    samples: Samples
    classifier: PixelClassifier

    @classmethod
    def learn(cls, backend: DenseFeatures, image: PlaneImage, mask: Mask) -> ObjectModel | None:
        """Learn an object, which is not empty; return None if it is too small to be learnt."""
        samples = _sample(backend, image, mask)
        if not samples.complete:
            return None
        return cls(backend, samples, PixelClassifier.fit(samples, _ITERATIONS))

    def renewed(self, image: PlaneImage, mask: Mask) -> ObjectModel:
        """Return the model learnt from the annotated frame and another one."""
        samples = _sample(self.backend, image, mask)
        if not samples.complete:
            return self
        both = Samples.join([self.samples, samples])
        return replace(self, classifier=PixelClassifier.fit(both, _ITERATIONS))

    def corrected(self, image: PlaneImage, prior: Mask) -> Mask:
        """Return a prior, which is not empty, as the model sees the object in another frame.

        Where it does not look like the object, the object is searched for further away.

        Parameters
        ----------
        image : PlaneImage
            The frame.
        prior : (H, W) bool array
            Where the object is expected.
        """
        part = _around(prior, _NARROW)
        odds = self._log_odds(image, part)
        if _contrast(odds, prior[part]) < _SURE:
            moved = self._followed(image, prior)
            if moved is not prior:
                prior, part = moved, _around(moved, _NARROW)
                odds = self._log_odds(image, part)
        shape = prior[part].shape
        before = resize(prior[part].astype(np.float32), _reduced(shape))
        area = float(before.sum())
        soft = cv2.GaussianBlur(before, (0, 0), max(2.0, _BLUR * float(np.sqrt(area))))
        own = np.log((soft + _DOUBT) / (1 + _DOUBT - soft))
        after = resize(own + resize(odds, before.shape), shape) > 0
        if after.sum() < _REMAINS * prior.sum():
            return prior
        corrected = np.zeros_like(prior)
        corrected[part] = after
        return corrected

    def _log_odds(self, image: PlaneImage, part: tuple[slice, slice]) -> Float32:
        """Return the log-odds of the object in a part of a frame, on the grid of the features."""
        features = _features(self.backend, image, part)
        background = self.classifier.maps(features)[BACKGROUND]
        bounded = np.clip(background, 1e-6, 1 - 1e-6)
        odds: Float32 = np.clip(np.log(1 / bounded - 1), -_LIMIT, _LIMIT)
        return odds

    def _followed(self, image: PlaneImage, prior: Mask) -> Mask:
        """Return a prior where its shape fits the model best, itself if no place is better."""
        part = _around(prior, _WIDE)
        odds = self._log_odds(image, part)
        inside = resize(prior[part].astype(np.float32), odds.shape)
        half = odds.shape[0] // 2, odds.shape[1] // 2
        padded = np.pad(odds, [(n, n) for n in half], constant_values=_OUTSIDE)
        contrast = cv2.matchTemplate(padded, _kernel(inside), cv2.TM_CCORR)
        rows, columns = np.indices(contrast.shape)
        distance = np.hypot(rows - half[0], columns - half[1]) / np.sqrt(max(inside.sum(), 1.0))
        worth = contrast - _PER_SIZE * distance
        best = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[best] <= contrast[half] + _MARGIN:
            return prior
        steps = np.divide(prior[part].shape, odds.shape)
        down, right = np.rint((np.array(best) - half) * steps)
        shift = np.array([[1, 0, right], [0, 1, down]])
        height, width = prior.shape
        moved = cv2.warpAffine(prior.astype(np.uint8), shift, (width, height)) > 0
        return moved if moved.sum() > _REMAINS * prior.sum() else prior


def _sample(backend: DenseFeatures, image: PlaneImage, mask: Mask) -> Samples:
    """Sample the features of an object and its surroundings."""
    part = _around(mask, _NARROW)
    features = _features(backend, image, part)
    return Samples.around(features, mask[part].astype(np.int32)).thinned()


def _around(mask: Mask, factor: float) -> tuple[slice, slice]:
    """Return the part of a frame around a mask, `factor` times as large as its box."""
    box = mask_box(mask)
    assert box is not None, "the mask is empty"
    side = max(factor * max(stop - start for start, stop in box), _SMALLEST)
    rows, columns = (
        slice(max(int((start + stop - side) / 2), 0), min(int((start + stop + side) / 2), size))
        for (start, stop), size in zip(box, mask.shape, strict=True)
    )
    return rows, columns


def _features(backend: DenseFeatures, image: PlaneImage, part: tuple[slice, slice]) -> FeatureMap:
    """Return the features of a part of a frame."""
    rows, columns = part
    crop = image.crop((rows.start, rows.stop), (columns.start, columns.stop))
    colors = crop.rgb(_reduced(crop.shape))
    return dense_features(backend, colors, _SIDE / max(colors.shape[:2]))


def _reduced(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the rows and columns at which a part of a frame is worked on, at most 512."""
    scale = min(1.0, 2 * _SIDE / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _kernel(inside: Float32) -> Float32:
    """Return weights whose product with log-odds is their contrast inside and around an object."""
    width = max(2, round(_RING * float(np.sqrt(inside.sum()))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    around = cv2.dilate(inside, disc) - inside
    weights: Float32 = inside / max(inside.sum(), 1e-3) - around / max(around.sum(), 1e-3)
    return weights


def _contrast(odds: Float32, mask: Mask) -> float:
    """Return by how much log-odds are higher inside of a mask than around it."""
    return float((odds * _kernel(resize(mask.astype(np.float32), odds.shape))).sum())
