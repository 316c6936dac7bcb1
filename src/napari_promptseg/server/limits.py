"""Limits of the work that one message may ask for, checked before any of it is done."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.errors import InvalidPromptError
from napari_promptseg.data.prompts import LassoPrompt, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_promptseg.data.prompts import Prompt

MAX_VERTICES: Final = 10_000
"""Vertices of a stroke or an outline."""
MAX_PROMPTS: Final = 5000
"""Prompts of the active object."""
MAX_VALUES: Final = 100_000
"""Values of one message; they take time to parse, which nobody else is served in."""
BYTES_OF_A_REQUEST: Final = 2**20
"""Bytes of a body or a message that count as one request."""
VALUES_OF_A_REQUEST: Final = 1000
"""Values of a body or a message that count as one request: as long as they are parsed, no other
thread runs."""
_MIN_PIXELS: Final = 10**8
_MAX_COVERAGE: Final = 100
"""Area of all strokes of a plane, as a multiple of the plane."""


def message_cost(size: int, values: int) -> float:
    """Return as how many requests a body or a message counts.

    Parameters
    ----------
    size : int
        Bytes.
    values : int
        Commas, of which JSON has one a value.
    """
    return size / BYTES_OF_A_REQUEST + values / VALUES_OF_A_REQUEST


def check_strokes(
    strokes: Iterable[tuple[Sequence[Sequence[float]], float]], shape: Sequence[int]
) -> None:
    """Refuse strokes and outlines that would take long to draw.

    Parameters
    ----------
    strokes : iterable of (path, width)
        In pixels.
    shape : sequence of int
        Of the image or the plane.

    Raises
    ------
    InvalidPromptError
        If one is too wide, too far outside or has too many vertices, or all of them would
        paint too many pixels.
    """
    plane = math.prod(sorted(shape)[-2:])
    size, pixels = max(shape), 0.0
    for path, width in strokes:
        if len(path) > MAX_VERTICES:
            raise InvalidPromptError(f"a path has {len(path)} vertices; valid: {MAX_VERTICES}")
        if not 0 <= width <= 2 * size:
            raise InvalidPromptError(f"a stroke has width {width}; valid: 0 to {2 * size}")
        if any(not -size <= entry <= 2 * size for position in path for entry in position):
            raise InvalidPromptError(f"a path leaves an image of {tuple(shape)} too far")
        length = sum(math.dist(a, b) for a, b in itertools.pairwise(path))
        pixels += (length + width) * max(width, 1.0)
    limit = max(_MIN_PIXELS, _MAX_COVERAGE * plane)
    if pixels > limit:
        raise InvalidPromptError(f"strokes would paint {pixels:.0f} pixels; valid: {limit}")


def check_work(prompts: Sequence[Prompt], before: int, shape: Sequence[int]) -> None:
    """Refuse prompts that would take long to answer.

    Parameters
    ----------
    prompts : sequence of Prompt
        Of one message.
    before : int
        Prompts that the active object has.
    shape : sequence of int
        Of the image.

    Raises
    ------
    InvalidPromptError
        As `check_strokes`, and if the object would have too many prompts.
    """
    if before + len(prompts) > MAX_PROMPTS:
        raise InvalidPromptError(
            f"the active object would have {before + len(prompts)} prompts; valid: {MAX_PROMPTS}"
        )
    scribbles = [(p.path, p.width) for p in prompts if isinstance(p, ScribblePrompt)]
    outlines = [(p.path, 0.0) for p in prompts if isinstance(p, LassoPrompt)]
    check_strokes([*scribbles, *outlines], shape)
