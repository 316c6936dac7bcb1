"""The worst cases as pictures: the image, the truth, the answer and the prompts."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Plane, mask_box
from napari_promptseg.data.masks import unpack_mask
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.prompts import PointPrompt, prompt_plane
from napari_promptseg.evaluation.options import TARGETS
from napari_promptseg.measure.metrics import clicks_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.evaluation.datasets import GroundTruth
    from napari_promptseg.evaluation.options import Run

Mask = NDArray[np.bool_]
Range = tuple[int, int]
Points = list[tuple[float, float]]
SHOWN: Final = 6
_SIDE: Final = 300  # pixels of the longer side of a picture
_LEAST: Final = 24  # pixels of the image that are shown at least
_MARGIN: Final = 0.15


@dataclass(frozen=True, slots=True)
class Mark:
    """A click, in pixels of the picture, with its number."""

    x: float
    y: float
    number: int
    positive: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One case: everything in pixels of the picture.

    Parameters
    ----------
    width, height : float
        Of the picture.
    image : str
        Data URL.
    truth, answer : list of list of (x, y)
        Outlines.
    marks : list of Mark
        Clicks.
    strokes : list of list of (x, y)
        Scribbles and the outlines of boxes.
    title, caption : str
        What it is and how it went.
    """

    width: float
    height: float
    image: str
    truth: list[Points]
    answer: list[Points]
    marks: list[Mark]
    strokes: list[Points]
    title: str
    caption: str


def worst(runs: Sequence[Run], count: int = SHOWN) -> list[Run]:
    """Return the runs with most interactions to the highest target, then the lowest score."""

    def badness(run: Run) -> tuple[int, float]:
        target = TARGETS.get(run.task, (None,))[-1]
        clicks = 0 if target is None else clicks_to(run.scores, target, len(run.scores) + 1)
        score = np.mean(run.scores) if run.task == "video" else run.scores[-1]
        return -clicks, float(score)

    return sorted(runs, key=badness)[:count]


def caption(run: Run) -> str:
    """Return in words how a run went."""
    if run.task == "video":
        return f"J&F {np.mean(run.scores):.2f}, in this frame {min(run.scores):.2f}"
    if run.task == "all":
        return f"F1 {run.scores[-1]:.2f}"
    name = "Dice" if run.task in ("volume", "middle") else "IoU"
    if run.task in ("box", "scribble", "middle"):
        return f"{name} {run.scores[-1]:.2f}"
    what = "click" if run.task == "click" else "interaction"
    count = len(run.scores)
    first, last = f"{name} {run.scores[0]:.2f}", f"{run.scores[-1]:.2f}"
    return f"{first} → {last}, {count} {what}s" if count > 1 else f"{first}, 1 {what}"


def picture(run: Run, content: GroundTruth) -> Picture:
    """Draw the plane that a run keeps.

    Parameters
    ----------
    run : Run
        With its answer.
    content : GroundTruth
        The image, volume or video of its case.
    """
    assert run.worst_answer is not None
    plane = Plane(run.worst_answer.index)
    answer = unpack_mask(run.worst_answer)
    image, target = content.volume.plane(plane), content.target(run.label)[plane.slices]
    names = content.volume.names
    clicks = [
        (number, plane.flatten(prompt.position), prompt.positive)
        for number, prompt in enumerate(run.prompts, start=1)
        if isinstance(prompt, PointPrompt) and prompt_plane(prompt, names) == plane
    ]
    others = [prompt for prompt in run.prompts if not isinstance(prompt, PointPrompt)]
    strokes_of_plane = PlanePrompts.collect(others, plane, names)
    paths = [s.path for s in strokes_of_plane.strokes]
    paths += [np.concatenate([r.vertices, r.vertices[:1]]) for r in strokes_of_plane.regions]
    rows, columns = _crop(target.truth | answer, [at for _, at, _ in clicks])
    spacing = np.array(image.spacing)
    size = np.array([rows[1] - rows[0], columns[1] - columns[0]]) * spacing
    step = spacing * _SIDE / size.max()
    height, width = size * _SIDE / size.max()

    def place(path: NDArray[np.float64]) -> Points:
        # The centre of a pixel lies half a pixel from its edge.
        at = (path + 0.5 - (rows[0], columns[0])) * step
        return [(round(float(x), 1), round(float(y), 1)) for y, x in at]

    return Picture(
        round(float(width), 1),
        round(float(height), 1),
        _encoded(image.crop(rows, columns), (round(height), round(width))),
        [place(outline) for outline in _outlines(target.truth)],
        [place(outline) for outline in _outlines(answer)],
        [Mark(*place(np.array([at]))[0], number, sign) for number, at, sign in clicks],
        [place(path) for path in paths],
        run.name,
        caption(run),
    )


def _crop(mask: Mask, clicks: Sequence[tuple[float, float]]) -> tuple[Range, Range]:
    """Ranges of rows and columns that hold a mask and all clicks, with a margin."""
    with_clicks = mask.copy()
    for row, column in clicks:
        with_clicks[round(row), round(column)] = True
    ranges = []
    for (start, stop), size in zip(
        mask_box(with_clicks) or ((0, 1), (0, 1)), with_clicks.shape, strict=True
    ):
        margin = max(_MARGIN * (stop - start), (_LEAST - (stop - start)) / 2, 2)
        ranges.append((max(0, int(start - margin)), min(size, int(stop + margin))))
    return ranges[0], ranges[1]


def _outlines(mask: Mask) -> list[NDArray[np.float64]]:
    """Outlines along the edges of the pixels of a mask, as (row, column)."""
    from skimage.measure import approximate_polygon, find_contours

    contours = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return [approximate_polygon(outline, 0.25) - 1 for outline in contours]


def _encoded(part: PlaneImage, shape: tuple[int, int]) -> str:
    """Return a part of an image as a data URL."""
    from PIL import Image

    small = part.shape[0] * part.shape[1] < shape[0] * shape[1]
    values = part.rgb() if small else part.rgb(shape)
    file = io.BytesIO()
    Image.fromarray((values * 255).astype(np.uint8)).save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
