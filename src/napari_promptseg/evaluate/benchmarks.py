"""Benchmarks of a backend with a robot user, through the public session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.core.geometry import mask_box
from napari_promptseg.core.volume import Volume
from napari_promptseg.evaluate.metrics import (
    MOST_CLICKS,
    boundary_f,
    boundary_iou,
    clicks_to,
    dice,
    iou,
)
from napari_promptseg.learn.scenes import Layout, layout_of, read_scenes
from napari_promptseg.learn.simulate import next_click
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_promptseg.backends.base import Backend

Mask = NDArray[np.bool_]
_LEAST_PIXELS: Final = 80
_INTERACTIONS: Final = 5
_LARGEST: Final = 10**6  # pixels on the longer side: images are measured as they are


@dataclass(slots=True)
class Run:
    """What was measured on one object.

    Parameters
    ----------
    kind : {"images", "volumes", "videos"}
        Which benchmark.
    name : str
        Image and object.
    scores : list of float
        IoU after each click for an image, Dice after each interaction for a volume, J&F
        of each frame for a video.
    seconds : list of float
        Time of each click, propagation or frame.
    figures : dict of str to float
        Others.
    """

    kind: Layout
    name: str
    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


def _objects(labels: NDArray[Any], most: int, seed: str) -> list[int]:
    """Choose ids of large enough objects, the same ones every time."""
    ids, counts = np.unique(labels[labels > 0], return_counts=True)
    chosen = ids[counts >= _LEAST_PIXELS].tolist()
    if len(chosen) > most:
        rng = np.random.default_rng(sum(seed.encode()))
        chosen = sorted(rng.choice(chosen, most, replace=False).tolist())
    return [int(i) for i in chosen]


def click_object(session: Session, truth: Mask, name: str = "", stop_at: float = 0.95) -> Run:
    """Click on an object of a 2D image until it is right, at most 20 times.

    Parameters
    ----------
    session : Session
        On the image; the object in work is empty.
    truth : (H, W) bool array
        The object.
    name : str
        Of the run.
    stop_at : float
        IoU at which the robot user is content.
    """
    run = Run("images", name)
    for _ in range(MOST_CLICKS):
        click = next_click(session.mask, truth)
        if click is None:
            break
        began = time.perf_counter()
        session.add_point(click[0], positive=click[1])
        run.seconds.append(time.perf_counter() - began)
        run.scores.append(iou(session.mask, truth))
        if run.scores[-1] >= stop_at:
            break
    run.figures["boundary_iou"] = boundary_iou(session.mask, truth)
    return run


def images(folder: Path, backend: Backend, limit: int | None, objects: int) -> Iterator[Run]:
    """Click on the objects of a 2D set."""
    for scene in read_scenes(folder, limit=limit, longest=_LARGEST):
        session = Session(scene.image, backend, axes="yxc")
        for label in _objects(scene.labels, objects, scene.name):
            yield click_object(session, scene.labels == label, f"{scene.name} {label}")
            session.discard()


def volumes(folder: Path, backend: Backend, limit: int | None, objects: int) -> Iterator[Run]:
    """Click and propagate in the volumes of a 3D set: five times each object.

    Each interaction is a click at the centre of the largest error of the plane that has
    the most wrong pixels, and a propagation.
    """
    from napari_promptseg.core.io.reading import open_volume

    paths = sorted((folder / "images").glob("*.nii*"))
    if limit is not None and limit < len(paths):
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, limit).round().astype(int)]
    for path in paths:
        volume = open_volume(path)
        labels = np.asarray(open_volume(folder / "labels" / path.name).data[...])
        for label in _objects(labels, objects, path.name):
            name = f"{folder.name}/{path.name} {label}"
            yield interact(Session(volume, backend), labels == label, name)


def interact(session: Session, truth: Mask, name: str = "") -> Run:
    """Click and propagate five times; Dice after each."""
    run = Run("volumes", name)
    for _ in range(_INTERACTIONS):
        wrong = (session.mask != truth).sum((1, 2))
        plane = int(wrong.argmax())
        click = next_click(session.mask[plane], truth[plane])
        if click is None:
            break
        began = time.perf_counter()
        session.add_point((plane, *click[0]), positive=click[1])
        session.propagate().run()
        run.seconds.append(time.perf_counter() - began)
        run.scores.append(dice(session.mask, truth))
    return run


def from_plane(session: Session, truth: Mask) -> float:
    """Dice of a propagation from the true middle plane alone."""
    box = mask_box(truth)
    if box is None:
        return 1.0
    middle = (box[0][0] + box[0][1]) // 2
    session.add_mask(truth[middle], index=middle)
    session.propagate().run()
    return dice(session.mask, truth)


def videos(folder: Path, backend: Backend, limit: int | None) -> Iterator[Run]:
    """Propagate the true mask of the first frame through each sequence."""
    for scene in read_scenes(folder, limit=limit, longest=_LARGEST):
        truth = scene.labels > 0
        session = Session(Volume(scene.image, "tyxc"), backend)
        session.add_mask(truth[0], index=0)
        began = time.perf_counter()
        session.propagate().run()
        seconds = (time.perf_counter() - began) / max(len(truth) - 1, 1)
        scores = [
            (iou(mask, true) + boundary_f(mask, true)) / 2
            for mask, true in zip(session.mask[1:], truth[1:], strict=True)
        ]
        yield Run("videos", scene.name, scores, [seconds] * len(scores))


def summarise(runs: list[Run]) -> dict[str, float]:
    """Return the mean figures of one set.

    Parameters
    ----------
    runs : list of Run
        Of one benchmark, not empty.
    """
    what = runs[0].kind
    seconds = np.array([s for run in runs for s in run.seconds] or [0.0])
    summary = {"objects": float(len(runs))}
    if what == "images":
        for target in (0.80, 0.85, 0.90):
            noc = [clicks_to(run.scores, target) for run in runs]
            summary[f"noc{round(100 * target)}"] = float(np.mean(noc))
        reached = [max(run.scores, default=0) >= 0.9 for run in runs]
        summary["failures90"] = float(len(runs) - sum(reached))
        summary["boundary_iou"] = float(np.mean([run.figures["boundary_iou"] for run in runs]))
    name = {"images": "iou", "volumes": "dice", "videos": "jf"}[what]
    for count in (1, 3, 5) if what != "videos" else ():
        kept = [run.scores[min(count, len(run.scores)) - 1] for run in runs if run.scores]
        summary[f"{name}{count}"] = float(np.mean(kept)) if kept else 0.0
    if what == "videos":
        summary["jf"] = float(np.mean([np.mean(run.scores) for run in runs]))
    summary["seconds_median"] = float(np.median(seconds))
    summary["seconds_p95"] = float(np.percentile(seconds, 95))
    return summary


def find_sets(folder: Path) -> dict[str, Path]:
    """Return the data sets of a folder by name: itself, or the folders in it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if layout_of(folder) is not None:
        return {folder.name: folder}
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    found = {path.name: path for path in inner if layout_of(path) is not None}
    if not found:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no data set: expected images/ with masks/ or labels/, "
            "or folders of numbered frames that hold images/ and masks/"
        )
    return found


def measure(
    folder: Path, backend: Backend, *, limit: int | None = None, objects: int = 3
) -> Iterator[Run]:
    """Measure a backend on one data set, object by object.

    Parameters
    ----------
    folder : Path
        A data set; see `napari_promptseg.learn.scenes`.
    backend : Backend
        What is measured.
    limit : int, optional
        Use this many images, volumes or sequences, evenly spread.
    objects : int
        Use at most this many objects of each.
    """
    match layout_of(folder):
        case "images":
            return images(folder, backend, limit, objects)
        case "volumes":
            return volumes(folder, backend, limit, objects)
        case _:
            return videos(folder, backend, limit)
