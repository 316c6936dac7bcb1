"""The robot user in volumes: click, propagate, and again; or planes as images."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.core.geometry import Plane, plane_by_index
from napari_promptseg.core.overlap import dice
from napari_promptseg.core.prompts import Point
from napari_promptseg.evaluate import robot
from napari_promptseg.evaluate.images import measure_section
from napari_promptseg.evaluate.runs import LEAST_PIXELS, Run
from napari_promptseg.evaluate.surface import surface_distances
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.backends.base import Backend
    from napari_promptseg.core.volume import Volume
    from napari_promptseg.evaluate.cases import GroundTruth, Target
    from napari_promptseg.evaluate.runs import Options


def measure_volume(
    scan: GroundTruth, backend: Backend, options: Options, case: str
) -> Iterator[Run]:
    """Segment objects of a volume by interactions: each a click and a propagation.

    Parameters
    ----------
    scan : GroundTruth
        Its axes are ``zyx``.
    backend : Backend
        What is measured.
    options : Options
        How many objects and interactions.
    case : str
        Name of the runs.
    """
    for label in options.choose(scan.ids, case):
        session = Session(scan.volume, backend)
        yield interact(session, scan.target(label), Run("volume", case, label), options)


def interact(session: Session, target: Target, run: Run, options: Options) -> Run:
    """Click at the centre of the largest error and propagate, until the Dice is high enough."""
    spacing = [session.volume.axis_spacing(axis) for axis in range(3)]
    for _ in range(options.interactions):
        click = robot.click_in_space(target.judged(session.mask), target.truth, spacing)
        if click is None:
            break
        began = time.perf_counter()
        session.add(Point(click[0], click[1]))
        session.propagate().run()
        run.seconds.append(time.perf_counter() - began)
        run.scores.append(dice(target.judged(session.mask), target.truth))
        if run.scores[-1] >= options.stop_at:
            break
    answer = target.judged(session.mask)
    apart = surface_distances(answer, target.truth, spacing)
    run.figures = {
        "dice": dice(answer, target.truth),
        "surface_dice": apart.dice(tolerance=min(spacing)),
        "hd95": min(apart.hausdorff(95), _diagonal(session.volume)),
        "violated": float(robot.violated(session)),
    }
    worst = int((answer != target.truth).sum((1, 2)).argmax())
    return run.finish(session, Plane((worst, None, None)))


def _diagonal(volume: Volume) -> float:
    """Distance of opposite corners: the Hausdorff distance that an empty answer gets."""
    sides = [size * volume.axis_spacing(axis) for axis, size in enumerate(volume.shape)]
    return float(np.linalg.norm(sides))


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
