"""The robot user on images: clicks, a box alone, a scribble alone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import Plane
from napari_promptseg.evaluation import robot_user
from napari_promptseg.evaluation.options import Run
from napari_promptseg.measure.metrics import boundary_iou
from napari_promptseg.measure.overlap import dice, iou
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.evaluation.datasets import GroundTruth, Target
    from napari_promptseg.evaluation.options import Options
    from napari_promptseg.models.base import Backend


def measure_image(
    image: GroundTruth,
    backend: Backend,
    options: Options,
    case: str,
    labels: list[int | None],
    section: str = "",
) -> Iterator[Run]:
    """Segment objects of an image, each with every kind of prompt that is asked for.

    Parameters
    ----------
    image : GroundTruth
        Its axes are ``yx``.
    backend : Backend
        What is measured.
    options : Options
        Which prompts, and how many clicks.
    case, section : str
        Names of the runs.
    labels : list of int or None
        Objects; None is the union of all ids.
    """
    session = Session(image.volume, backend)
    for label in labels:
        for ask in options.prompts:
            run = Run(ask, case, label, section)
            yield ask_about(session, image.target(label), run, options)
            session.discard()


def measure_section(
    whole: GroundTruth,
    backend: Backend,
    options: Options,
    case: str,
    labels: list[int | None],
    plane: Plane,
    axis: str,
) -> Iterator[Run]:
    """Take a plane of a volume or video, normal to an axis, as an image of its own."""
    index = next(entry for entry in plane.index if entry is not None)
    image = whole.section(plane)
    for run in measure_image(image, backend, options, case, labels, f"{axis} {index}"):
        run.prompts = [robot_user.lift_prompt(prompt, plane, axis) for prompt in run.prompts]
        if run.worst_answer is not None:
            run.worst_answer = replace(run.worst_answer, index=plane.index)
        yield run


def ask_about(session: Session, target: Target, run: Run, options: Options) -> Run:
    """Segment one object of a 2D image by the prompt that the run names."""
    plane = Plane((None, None))
    if run.task == "click":
        robot_user.click_until(session, plane, target, run, options)
    else:
        single = _single_prompt(run, plane, target)
        start_time = time.perf_counter()
        session.add(single)
        run.seconds.append(time.perf_counter() - start_time)
        run.scores.append(iou(target.judged(session.mask), target.truth))
    answer = target.judged(session.mask)
    run.figures = {
        "iou": iou(answer, target.truth),
        "dice": dice(answer, target.truth),
        "boundary_iou": boundary_iou(answer, target.truth),
        "violated": float(robot_user.violated(session)),
    }
    return run.finish(session, plane)


def _single_prompt(run: Run, plane: Plane, target: Target) -> Prompt:
    if run.task == "box":
        return robot_user.tight_box(plane, target.truth)
    return robot_user.scribble(plane, target.truth)
