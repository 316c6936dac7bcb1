"""Videos: an object given in the first frame is carried through the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.sampling import spread
from napari_promptseg.evaluation import robot_user
from napari_promptseg.evaluation.images import measure_section
from napari_promptseg.evaluation.options import Run
from napari_promptseg.measure.metrics import boundary_f
from napari_promptseg.measure.overlap import iou
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.evaluation.datasets import GroundTruth, Target
    from napari_promptseg.evaluation.options import Options
    from napari_promptseg.models.base import Backend

_FRAMES: Final = 3  # of a video that are taken as images, when planes are asked for


def measure_video(
    film: GroundTruth, backend: Backend, options: Options, case: str, propagator: str = AUTO
) -> Iterator[Run]:
    """Carry objects from the first frame through a video.

    Parameters
    ----------
    film : GroundTruth
        Its axes are ``tyx``, with two frames or more; the objects are those of the first.
    backend : Backend
        What is measured.
    options : Options
        How many objects, and how they are given.
    case : str
        Name of the runs.
    propagator : str
        Name of the propagator.
    """
    for label in options.choose(film.ids[0], case):
        session = Session(film.volume, backend, propagator=propagator)
        yield carry(session, film.target(label), Run("video", case, label), options)


def carry(session: Session, target: Target, run: Run, options: Options) -> Run:
    """Give one object in the first frame, propagate, and score every other frame.

    J is the IoU and F the boundary measure of DAVIS (Perazzi et al. 2016,
    doi:10.1109/CVPR.2016.85); the score is their mean.
    """
    first = Plane((0, None, None))
    if options.first_frame == "mask":
        session.add_mask(target[0].truth, index=0)
    else:
        click_run = Run("click", run.case, run.label)
        most = int(options.first_frame)
        robot_user.click_until(session, first, target[0], click_run, replace(options, clicks=most))
    first_iou = iou(target[0].judged(session.mask[0]), target[0].truth)
    pace = robot_user.propagate(session)
    answer = target.judged(session.mask)[1:]
    frames = list(zip(answer, target.truth[1:], strict=True))
    regions = [iou(mask, truth) for mask, truth in frames]
    borders = [boundary_f(mask, truth) for mask, truth in frames]
    run.scores = [(j + f) / 2 for j, f in zip(regions, borders, strict=True)]
    run.seconds = [pace.seconds / len(run.scores)] * len(run.scores)
    run.figures = {
        "j": float(np.mean(regions)),
        "f": float(np.mean(borders)),
        "first_iou": first_iou,
        "frames_per_second": pace.rate,
    }
    worst = 1 + int(np.argmin(run.scores))
    return run.finish(session, Plane((worst, None, None)))


def measure_frames(
    film: GroundTruth, backend: Backend, options: Options, case: str
) -> Iterator[Run]:
    """Take three frames, evenly spread over the video, as images."""
    for frame in spread(range(len(film.ids)), _FRAMES):
        plane = Plane((frame, None, None))
        labels = options.choose(film.ids[plane.slices], case)
        yield from measure_section(film, backend, options, case, labels, plane, "t")
