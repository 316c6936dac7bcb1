"""Quality notes: likely mistakes of a mask, one plain sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import mask_box, nearest_pixel
from napari_promptseg.data.plane_prompts import PlanePrompts

if TYPE_CHECKING:
    from collections.abc import Iterator

Mask = NDArray[np.bool_]
Kind = Literal["empty", "small", "large", "pieces", "holes", "outline", "clicks", "border", "jump"]
_SPECK: Final = 0.02  # pieces below this share of the largest one are not counted


@dataclass(frozen=True, slots=True)
class QualityNote:
    """Something about a mask that is worth a look.

    Parameters
    ----------
    kind : str
        Which check: "empty", "small", "large", "pieces", "holes", "outline", "clicks",
        "border" or "jump".
    message : str
        What was found, with its values, in one sentence.
    hint : str
        What can be done about it, in one sentence.
    where : tuple of float or None
        A position to look at, None for the whole mask.
    """

    kind: Kind
    message: str
    hint: str
    where: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """From where on a check speaks; good objects seldom go so far.

    Parameters
    ----------
    least_pixels : int
        Fewer are small.
    largest_share : float
        Of the plane; more is large.
    most_pieces : int
        Separate pieces, specks left out.
    most_holes : int
        Holes of any size.
    longest_outline : float
        Length of the outline relative to that of a circle of the same area, the root of
        the isoperimetric quotient.
    border_share : float
        Of the outline that may lie on the border of the plane.
    largest_jump : float
        Factor between the areas in neighbouring planes.
    """

    least_pixels: int = 8
    largest_share: float = 0.55
    most_pieces: int = 4
    most_holes: int = 6
    longest_outline: float = 4.5
    border_share: float = 0.5
    largest_jump: float = 4.0


def check_quality(
    mask: Mask,
    prompts: PlanePrompts | None = None,
    neighbour: Mask | None = None,
    limits: QualityLimits | None = None,
) -> list[QualityNote]:
    """Look for what is usually wrong about a mask.

    Parameters
    ----------
    mask : (H, W) bool array
        The object on a plane.
    prompts : PlanePrompts, optional
        Those of the plane.
    neighbour : (H, W) bool array, optional
        The object on a neighbouring plane or frame.
    limits : QualityLimits, optional
        From where on a check speaks.

    Returns
    -------
    list of QualityNote
        Empty for a mask that looks right. `where` is (row, column).
    """
    limits, prompts = limits or QualityLimits(), prompts or PlanePrompts()
    notes = list(_clicks(mask, prompts))
    box = mask_box(mask)
    if box is None:
        if prompts:
            text = "Nothing was found here."
            notes.append(QualityNote("empty", text, "Click on the object or draw a box around it."))
        return notes
    # With a rim of background, so that what is around the object is one piece.
    part = np.pad(mask[tuple(slice(*r) for r in box)], 1)
    notes += _area(part, mask.size, limits)
    notes += _pieces(part, (box[0][0] - 1, box[1][0] - 1), limits)
    notes += _outline(part, mask, limits)
    if neighbour is not None:
        notes += _jump(part, neighbour, limits)
    return notes


def _clicks(mask: Mask, prompts: PlanePrompts) -> Iterator[QualityNote]:
    clicks = [s for s in prompts.strokes if len(s.path) == 1]
    violated = []
    for stroke in clicks:
        row, column = (nearest_pixel(p) for p in stroke.path[0])
        inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
        if inside and bool(mask[row, column]) != stroke.positive:
            violated.append((row, column))
    if violated:
        yield QualityNote(
            "clicks",
            f"{len(violated)} of {_count(len(clicks), 'click')} on the wrong side of the outline.",
            "Click there again, or switch the refinement brs on.",
            violated[0],
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what} lies" if number == 1 else f"{number} {what}s lie"


def _area(part: Mask, pixels: int, limits: QualityLimits) -> Iterator[QualityNote]:
    area = int(part.sum())
    if area < limits.least_pixels:
        text = f"The object has {area} pixel{'s' * (area > 1)} only."
        yield QualityNote("small", text, "Click on more of it, or end the object here.")
    if area > limits.largest_share * pixels:
        text = f"The object fills {area / pixels:.0%} of the plane."
        yield QualityNote("large", text, "Click with the background button where it ran out.")


def _pieces(part: Mask, origin: tuple[int, int], limits: QualityLimits) -> Iterator[QualityNote]:
    _, _, stats, centres = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    pieces = np.flatnonzero(areas >= _SPECK * areas.max())
    if len(pieces) > limits.most_pieces:
        column, row = centres[1 + pieces[areas[pieces].argmin()]]
        yield QualityNote(
            "pieces",
            f"The object is in {len(pieces)} pieces.",
            "Switch the refinement cleanup on, or click on the background in those that do not "
            "belong.",
            (float(row) + origin[0], float(column) + origin[1]),
        )
    count, _, stats, centres = cv2.connectedComponentsWithStats(
        (~part).astype(np.uint8), connectivity=4
    )
    holes = stats[2:, cv2.CC_STAT_AREA]  # 0 is the object, 1 what is around it
    if count - 2 > limits.most_holes:
        column, row = centres[2 + holes.argmax()]
        yield QualityNote(
            "holes",
            f"The object has {len(holes)} holes, {holes.sum() / part.sum():.1%} of its area.",
            "Switch the refinement cleanup on, or click into those that belong to the object.",
            (float(row) + origin[0], float(column) + origin[1]),
        )


def _outline(part: Mask, mask: Mask, limits: QualityLimits) -> Iterator[QualityNote]:
    contours, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    length = max(sum(cv2.arcLength(contour, True) for contour in contours), 1.0)
    longer = length / float(np.sqrt(4 * np.pi * part.sum()))
    if longer > limits.longest_outline:
        yield QualityNote(
            "outline",
            f"The outline is {longer:.1f} times as long as that of a circle of the same area.",
            "Switch the refinement cleanup on, or look whether the mask frays out.",
        )
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    share = min(sum(int(side.sum()) for side in sides) / length, 1.0)
    if share > limits.border_share:
        yield QualityNote(
            "border",
            f"{share:.0%} of the outline lies on the border of the plane.",
            "Look whether the mask ran out of the object.",
        )


def _jump(part: Mask, neighbour: Mask, limits: QualityLimits) -> Iterator[QualityNote]:
    area, before = int(part.sum()), int(neighbour.sum())
    if before and not 1 / limits.largest_jump <= area / before <= limits.largest_jump:
        yield QualityNote(
            "jump",
            f"The area is {area / before:.2g} times that of the neighbouring plane.",
            "Compare the two planes and correct the one that is wrong.",
        )
