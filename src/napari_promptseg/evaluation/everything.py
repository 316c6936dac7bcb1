"""All objects without prompts: how well and how fast they are found, beside a threshold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import all_planes
from napari_promptseg.data.masks import pack_mask
from napari_promptseg.evaluation.options import Run
from napari_promptseg.instances.objects import objects_of
from napari_promptseg.measure.metrics import match_objects
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.evaluation.datasets import GroundTruth
    from napari_promptseg.instances.objects import FoundObjects
    from napari_promptseg.models.base import Backend

PROPOSALS: Final = 50
"""Proposals of each image that the average recall counts."""
_THRESHOLDS: Final = tuple(np.arange(0.5, 1.0, 0.05).round(2).tolist())
"""IoU of the average recall, as COCO has them."""
_MIN_PIXELS: Final = 12
"""Smallest object that counts."""


def measure_everything(
    content: GroundTruth, backend: Backend, case: str, class_ids: bool = False
) -> Run | None:
    """Find all objects of an image, a volume, or the frames of a video.

    Parameters
    ----------
    content : GroundTruth
        Image and true objects.
    backend : Backend
        What is measured.
    case : str
        Name of the run.
    class_ids : bool
        Whether ids are classes: then their connected pieces are the objects.

    Returns
    -------
    Run or None
        None if the image has no true object. Its figures: ``f1``, ``precision`` and ``recall`` at
        an IoU of 0.5, ``ar50`` (recall of the 50 surest proposals, averaged over IoU 0.5 to 0.95),
        ``watershed_f1`` of `threshold_watershed`, ``objects_per_second`` and
        ``megapixels_per_second``.
    """
    truth = true_objects(content, class_ids)
    if not truth.any():
        return None
    session = Session(content.volume, backend)
    start = time.perf_counter()
    proposals = session.find_all()
    labels = proposals.labels()
    seconds = time.perf_counter() - start
    matches = match_objects(judged(labels, content), truth)
    baseline = match_objects(judged(threshold_watershed(content.volume), content), truth)
    run = Run("all", case, None)
    run.scores, run.seconds = [matches.f1], [seconds]
    run.figures = {
        "f1": matches.f1,
        "precision": matches.hits / max(matches.proposals, 1),
        "recall": matches.hits / max(matches.objects, 1),
        "ar50": average_recall(proposals, truth),
        "watershed_f1": baseline.f1,
        "objects_per_second": matches.proposals / seconds,
        "megapixels_per_second": labels.size / 1e6 / seconds,
    }
    worst = max(
        all_planes(content.volume.names, content.volume.shape),
        key=lambda plane: int(((labels[plane.slices] > 0) != (truth[plane.slices] > 0)).sum()),
    )
    run.worst_answer = pack_mask(worst, labels[worst.slices] > 0)
    return run


def true_objects(content: GroundTruth, class_ids: bool = False) -> NDArray[np.int32]:
    """Return the true objects by number, without tiny ones."""
    from skimage.measure import label

    ids = np.asarray(content.ids).astype(np.int32)
    if class_ids:
        ids = np.asarray(label(ids, background=0, connectivity=1), np.int32)
    numbers, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    large = (numbers > 0) & (counts >= _MIN_PIXELS)
    return np.where(large, np.cumsum(large), 0)[inverse].reshape(ids.shape).astype(np.int32)


def judged(labels: NDArray[np.int32], content: GroundTruth) -> NDArray[np.int32]:
    """Return labels without objects that lie, for the most part, on ignored pixels."""
    if content.ignored is None:
        return labels
    sizes = np.bincount(labels.ravel())
    ignored = np.bincount(labels.ravel(), content.ignored.ravel(), len(sizes))
    rest = np.where((ignored <= sizes / 2)[labels], labels, 0)
    return np.where(content.ignored, 0, rest)


def average_recall(
    proposals: FoundObjects, truth: NDArray[np.int32], most: int = PROPOSALS
) -> float:
    """Return the recall of the surest proposals, averaged over IoU from 0.5 to 0.95.

    Parameters
    ----------
    proposals : FoundObjects
        All that were found; those that overlap count too.
    truth : int32 array
        True objects.
    most : int
        Number of proposals that count.
    """
    surest = proposals.objects[:most]
    best = np.array(
        [
            max((one.iou(other) for other in surest), default=0.0)
            for one in objects_of(truth, np.ones(int(truth.max(initial=0)), np.float32))
        ]
    )
    return float(np.mean([(best >= at).mean() for at in _THRESHOLDS])) if len(best) else 1.0


def threshold_watershed(volume: Volume) -> NDArray[np.int32]:
    """Return objects as a classical pipeline finds them, the baseline of the benchmark.

    Otsu's threshold of the smoothed grey values (Otsu 1979), the rarer side of it as foreground,
    and a watershed of the distance to its edge; of a series, frame by frame.
    """
    values = np.asarray(volume.data[...], np.float32)
    grey = values.mean(-1) if volume.axes.endswith("c") else values
    if "t" not in volume.names:
        return _watershed(grey)
    labels = np.zeros(grey.shape, np.int32)
    for number, frame in enumerate(grey):
        of_frame = _watershed(frame)
        labels[number] = np.where(of_frame > 0, of_frame + labels.max(), 0)
    return labels


def _watershed(grey: NDArray[np.float32]) -> NDArray[np.int32]:
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_filter
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    smooth = gaussian_filter(grey, 1)
    if smooth.min() == smooth.max():
        return np.zeros(grey.shape, np.int32)
    mask = smooth > threshold_otsu(smooth)
    if mask.mean() > 0.5:
        mask = ~mask
    depth = gaussian_filter(np.asarray(distance_transform_edt(mask), np.float32), 1)
    peaks = (maximum_filter(depth, 7) == depth) & (depth > 1)
    markers, _ = label(peaks, np.ones((3,) * grey.ndim))
    return np.asarray(watershed(-depth, markers, mask=mask), np.int32)
