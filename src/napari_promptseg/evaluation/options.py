"""Benchmark options, and the measurements of one object."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

import numpy as np
from pydantic import Field

from napari_promptseg.data.masks import pack_mask
from napari_promptseg.data.prompts import MaskPrompt, Prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.session import Session

Ask = Literal["click", "box", "scribble"]
Start = Literal["click", "middle"]
FirstFrame = Literal["mask", "1", "3"]
User = Literal["centre", "human"]
Task = Literal["click", "box", "scribble", "volume", "middle", "video", "all"]

TARGETS: Final[dict[str, tuple[float, ...]]] = {
    "click": (0.80, 0.85, 0.90),
    "volume": (0.85, 0.90),
}
"""Scores that are to be reached, for the tasks with several interactions."""
LEAST_PIXELS: Final = 80
"""Smaller objects are left out."""


@dataclass(frozen=True, slots=True)
class Options:
    """Tasks, limits and seed of a benchmark.

    Parameters
    ----------
    limit : int or None
        Images, volumes or sequences of a set, evenly spread; all when None.
    objects : int
        Objects of each at most, drawn by `seed`. Those under 80 pixels are left out.
    prompts : tuple of {"click", "box", "scribble"}
        What the robot user gives on an image: corrective clicks, or one box, or one
        scribble.
    clicks : int
        Most clicks on an object of an image.
    interactions : int
        Most interactions with an object of a volume.
    stop_at : float
        Score at which the robot user stops early.
    planes : bool
        Take planes of volumes and frames of videos as images of their own.
    union : bool
        Take all ids of an image or volume together as one object.
    start : {"click", "middle"}
        How the object of a volume is given: by clicks with a propagation after each, or by
        its true mask on the middle plane and one propagation.
    first_frame : {"mask", "1", "3"}
        How the object of a video is given: by its mask, or by that many clicks.
    user : {"centre", "human"}
        Where the robot user clicks on an image: at the centre of the largest error, or
        anywhere in it, as people do.
    everything : bool
        Find all objects of an image, volume or video without prompts, and nothing else.
    class_ids : bool
        With `everything`: ids are classes, whose connected pieces are the objects.
    seed : int
        Of all that is drawn.
    """

    limit: int | None = None
    objects: int = 3
    prompts: tuple[Ask, ...] = ("click",)
    clicks: int = 20
    interactions: int = 5
    stop_at: float = 0.95
    planes: bool = False
    union: bool = False
    start: Start = "click"
    first_frame: FirstFrame = "mask"
    user: User = "centre"
    everything: bool = False
    class_ids: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("limit", "objects", "clicks", "interactions"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value!r}")
        if not 0 < self.stop_at <= 1:
            raise ValueError(f"stop_at must be above 0 and at most 1, got {self.stop_at!r}")
        if not self.prompts or not set(self.prompts) <= set(get_args(Ask)):
            raise ValueError(f"prompts {self.prompts!r}; valid, one or more: {get_args(Ask)}")
        if self.start not in get_args(Start):
            raise ValueError(f"start {self.start!r}; valid: {get_args(Start)}")
        if self.user not in get_args(User):
            raise ValueError(f"user {self.user!r}; valid: {get_args(User)}")
        if self.first_frame not in get_args(FirstFrame):
            raise ValueError(f"first frame {self.first_frame!r}; valid: {get_args(FirstFrame)}")

    def rng(self, name: str) -> np.random.Generator:
        """Return the generator of one image or object: the same in every run and process."""
        return np.random.default_rng((self.seed, zlib.crc32(name.encode())))

    def choose(self, ids: NDArray[Any], name: str) -> list[int | None]:
        """Choose the objects of an image; None stands for the union of all ids."""
        labels, counts = np.unique(ids[ids > 0], return_counts=True)
        if self.union:
            return [None] if counts.sum() >= LEAST_PIXELS else []
        large_enough = labels[counts >= LEAST_PIXELS]
        if len(large_enough) > self.objects:
            large_enough = np.sort(self.rng(name).choice(large_enough, self.objects, replace=False))
        return [int(label) for label in large_enough]


@dataclass(slots=True)
class Run:
    """Measurements of one object.

    Parameters
    ----------
    task : {"click", "box", "scribble", "volume", "middle", "video", "all"}
        What was asked.
    case : str
        Image, volume or sequence.
    label : int or None
        Id of the object; None for the union of all ids.
    section : str
        Which plane it was, such as ``z 12``, where planes are images of their own.
    prompts : list of Prompt
        What the robot user gave, in pixels; masks are left out.
    scores : list of float
        IoU after each click on an image, Dice after each interaction with a volume, Dice
        of all planes but the middle one, J&F of each frame of a video but the first, F1 of
        all objects.
    seconds : list of float
        Time of each interaction: a click, or a click and the propagation, or from the
        middle plane the propagation; for a video the time a frame.
    figures : dict of str to float
        Others, of the final answer.
    worst_answer : MaskPrompt or None
        The answer on the plane that shows it worst; not written to files.
    """

    task: Task
    case: str
    label: int | None
    section: str = ""
    prompts: list[Prompt] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    worst_answer: Annotated[MaskPrompt | None, Field(exclude=True)] = None

    @property
    def name(self) -> str:
        """Case, section and object."""
        parts = self.case, self.section, "union" if self.label is None else str(self.label)
        return " ".join(filter(None, parts))

    def finish(self, session: Session, plane: Plane) -> Run:
        """Keep the prompts of a session and its answer on a plane."""
        self.prompts = [p for p in session.prompts if not isinstance(p, MaskPrompt)]
        self.worst_answer = pack_mask(plane, session.mask[plane.slices])
        return self
