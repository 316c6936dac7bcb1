"""The robot user in volumes: click, propagate, and again; a middle plane; planes as images."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.geometry import Plane, plane_by_index
from napari_promptseg.data.prompts import PointPrompt
from napari_promptseg.evaluation import robot_user
from napari_promptseg.evaluation.images import measure_section
from napari_promptseg.evaluation.options import LEAST_PIXELS, Run
from napari_promptseg.measure.overlap import dice
from napari_promptseg.measure.surface_distance import surface_distances
from napari_promptseg.propagation.registry import AUTO
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.evaluation.datasets import GroundTruth, Target
    from napari_promptseg.evaluation.options import Options
    from napari_promptseg.models.base import Backend


def measure_volume(
    scan: GroundTruth, backend: Backend, options: Options, case: str, propagator: str = AUTO
) -> Iterator[Run]:
    """Segment objects of a volume, from clicks or from their middle planes.

    Parameters
    ----------
    scan : GroundTruth
        Its axes are ``zyx``.
    backend : Backend
        What is measured.
    options : Options
        How many objects, how they are given, and how many interactions.
    case : str
        Name of the runs.
    propagator : str
        Name of the propagator.
    """
    for label in options.choose(scan.ids, case):
        session = Session(scan.volume, backend, propagator=propagator)
        target = scan.target(label)
        if options.start == "middle":
            yield carry_middle(session, target, Run("middle", case, label))
        else:
            yield interact(session, target, Run("volume", case, label), options)


def interact(session: Session, target: Target, run: Run, options: Options) -> Run:
    """Click at the centre of the largest error and propagate, until the Dice is high enough."""
    spacing, pace = _spacing(session.volume), robot_user.Pace()
    for _ in range(options.interactions):
        click = robot_user.click_in_space(target.judged(session.mask), target.truth, spacing)
        if click is None:
            break
        start_time = time.perf_counter()
        session.add(PointPrompt(click[0], click[1]))
        pace += robot_user.propagate(session)
        run.seconds.append(time.perf_counter() - start_time)
        run.scores.append(dice(target.judged(session.mask), target.truth))
        if run.scores[-1] >= options.stop_at:
            break
    run.figures = _figures(session, target) | {
        "violated": float(robot_user.violated(session)),
        "planes_per_second": pace.rate,
    }
    return _finish(run, session, target)


def carry_middle(session: Session, target: Target, run: Run) -> Run:
    """Give the true mask of one plane, propagate, and score all the others.

    It is the middle of the extent of the object along the first axis, or the plane
    nearest to it that holds some of the object.
    """
    object_planes = np.flatnonzero(target.truth.any((1, 2)))
    middle = int(
        object_planes[np.abs(object_planes - (object_planes[0] + object_planes[-1]) // 2).argmin()]
    )
    session.add_mask(target.truth[middle], index=middle)
    pace = robot_user.propagate(session)
    others = np.arange(len(target.truth)) != middle
    answer = target.judged(session.mask)
    run.scores = [dice(answer[others], target.truth[others])]
    run.seconds = [pace.seconds]
    run.figures = _figures(session, target) | {
        "dice_others": run.scores[0],
        "planes_per_second": pace.rate,
    }
    return _finish(run, session, target)


def _figures(session: Session, target: Target) -> dict[str, float]:
    """Figures of the final answer."""
    answer, spacing = target.judged(session.mask), _spacing(session.volume)
    apart = surface_distances(answer, target.truth, spacing)
    return {
        "dice": dice(answer, target.truth),
        "surface_dice": apart.dice(tolerance=min(spacing)),
        "hd95": min(apart.hausdorff(95), _diagonal(session.volume)),
    }


def _finish(run: Run, session: Session, target: Target) -> Run:
    wrong = target.judged(session.mask) != target.truth
    return run.finish(session, Plane((int(wrong.sum((1, 2)).argmax()), None, None)))


def _spacing(volume: Volume) -> list[float]:
    return [volume.axis_spacing(axis) for axis in range(3)]


def _diagonal(volume: Volume) -> float:
    """Distance of opposite corners: the Hausdorff distance that an empty answer gets."""
    return float(np.linalg.norm(np.multiply(volume.shape, _spacing(volume))))


def measure_planes(
    scan: GroundTruth, backend: Backend, options: Options, case: str
) -> Iterator[Run]:
    """Take the largest plane of each object along each axis as an image."""
    names, shape = scan.volume.names, scan.volume.shape
    for label in options.choose(scan.ids, case):
        truth = scan.target(label).truth
        for axis, name in enumerate(names):
            others = tuple(a for a in range(3) if a != axis)
            largest = int(np.count_nonzero(truth, axis=others).argmax())
            plane = plane_by_index(names, shape, largest, name)
            if np.count_nonzero(truth[plane.slices]) < LEAST_PIXELS:
                continue
            yield from measure_section(scan, backend, options, case, [label], plane, name)
