"""Validation of changes from files: no session could have written what is refused here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.prompts import (
    BoxPrompt,
    LassoPrompt,
    MaskPrompt,
    PointPrompt,
    ScribblePrompt,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.prompts import Prompt
    from napari_promptseg.session.history import Change
    from napari_promptseg.session.state import Draft, StoredObject

MAX_LABEL: Final = 2**16 - 1
"""Largest id that the labels hold."""
MAX_COLOR: Final = 255
_MAX_WRITES: Final = 64
"""Pixels that one change may write, as a multiple of those of the image."""


def check_change(change: Change, shape: tuple[int, ...]) -> None:
    """Refuse a change, read from a file, that no session could have made.

    Raises
    ------
    CorruptFileError
        If something of it does not fit.
    """
    for patch in change.patches:
        patch.check(shape)
    pixels = sum(math.prod(b - a for a, b in patch.box) for patch in change.patches)
    if pixels > _MAX_WRITES * math.prod(shape):
        raise CorruptFileError(f"a change writes {pixels} pixels of an image of {shape}")
    stored_object = [s for sides in change.objects.values() for s in sides if s is not None]
    boxes = [draft.extent for draft in change.draft if draft.extent is not None]
    for box in [*boxes, *(one.box for one in stored_object)]:
        if len(box) != len(shape) or any(
            not 0 <= start <= stop <= n for (start, stop), n in zip(box, shape, strict=True)
        ):
            raise CorruptFileError(f"a box {box} does not fit {shape}")
    wrong = [one.label for one in stored_object if not 0 < one.label <= MAX_LABEL]
    wrong += [d.label for d in change.draft if d.label is not None and not d.label > 0]
    if wrong:
        raise CorruptFileError(f"labels {wrong} must be 1 to {MAX_LABEL}")
    colors = [color for classes in change.classes or () for color in classes.values()]
    if not all(0 <= value <= MAX_COLOR for color in colors for value in color):
        raise CorruptFileError(f"colors of classes {colors} must be 0 to {MAX_COLOR}")
    entries: list[Draft | StoredObject] = [*change.draft, *stored_object]
    for entry in entries:
        entry.propagated.check(shape)
        for prompt in entry.prompts:
            _check_axes(prompt, shape)


def _check_axes(prompt: Prompt, shape: Sequence[int]) -> None:
    """Refuse a prompt, read from a file, with other axes than the image."""
    match prompt:
        case PointPrompt():
            positions: Sequence[Sequence[float | None]] = (prompt.position,)
        case BoxPrompt():
            positions = (prompt.low, prompt.high)
        case ScribblePrompt() | LassoPrompt():
            positions = prompt.path
        case _:
            positions = (prompt.index,)
    if not positions or any(len(position) != len(shape) for position in positions):
        raise CorruptFileError(f"a {prompt.kind} has other axes than an image of {tuple(shape)}")
    if any(
        entry is not None and not -1 <= entry <= n
        for position in positions
        for entry, n in zip(position, shape, strict=True)
    ):
        raise CorruptFileError(f"a {prompt.kind} lies outside of an image of {tuple(shape)}")
    if isinstance(prompt, ScribblePrompt) and not 0 <= prompt.width < math.inf:
        raise CorruptFileError(f"a scribble has width {prompt.width}")
    if isinstance(prompt, MaskPrompt):
        plane = tuple(n for n, entry in zip(shape, prompt.index, strict=True) if entry is None)
        if tuple(prompt.shape) != plane:
            raise CorruptFileError(f"a mask of {prompt.shape} for a plane of {plane}")
