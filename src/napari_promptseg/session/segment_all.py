"""All objects of a session's image, found without prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.progress import never, no_report
from napari_promptseg.instances.objects import SENSITIVITY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.instances.objects import FoundObjects
    from napari_promptseg.session.session_state import PlaneIndex, StateView


def find_all(
    state: StateView,
    index: PlaneIndex = None,
    *,
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> FoundObjects:
    """Find all objects without prompts and examples; nothing is committed.

    What the network computed is in the result: its `labels` change at once with size and
    sensitivity. A backend that segments everything itself, such as "sam", does it plane by plane.

    Parameters
    ----------
    index : int, (int, int) or Plane, optional
        One plane, as in `add_mask`. When not given, all of the image: of a volume objects in 3D,
        of a series those of each frame.
    report : callable
        Called with the number of planes that were looked at, and of all.
    is_cancelled : callable
        Polled on the way; once it returns True, what was found until then is the result.

    Returns
    -------
    FoundObjects
        Masks with scores, of the shape of the plane or of the image.

    Raises
    ------
    ValueError
        If there is no such plane, or planes are too large.
    """
    state.settle()
    volume, finder = state.volume, state.object_finder()
    first = state.plane(index)
    volume.check_whole(first, "segmenting everything")
    if index is not None:
        proposals = finder.in_plane(volume.plane(first), is_cancelled)
        report(1, 1)
        return proposals
    return finder.in_volume(volume, report, is_cancelled)


def segment_all(
    state: StateView,
    index: PlaneIndex = None,
    *,
    sensitivity: float = SENSITIVITY,
    min_size: float = 0,
    max_size: float = np.inf,
    report: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> NDArray[np.int32]:
    """Return all objects, found without prompts and examples; nothing is committed.

    `add_labels` commits those of the whole image, `accept` those of a plane, in one step.

    Parameters
    ----------
    index, report, is_cancelled
        See `find_all`.
    sensitivity : float
        In [0, 1]: more finds more objects, also such that are none.
    min_size, max_size : float
        Range of the number of pixels of an object.

    Returns
    -------
    int32 array
        Number of the object of each pixel from 1 on, 0 for none; of the shape of the plane, or
        of the image without channel.

    Raises
    ------
    ValueError
        If there is no such plane, planes are too large, or a setting is out of range.
    """
    proposals = find_all(state, index, report=report, is_cancelled=is_cancelled)
    return proposals.labels(sensitivity, min_size, max_size)
