"""Which of several answers to ambiguous prompts is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.data.prompts import ChoicePrompt, MaskPrompt, Prompt, prompt_plane

if TYPE_CHECKING:
    from napari_promptseg.data.geometry import Plane


def with_choice(
    prompts: tuple[Prompt, ...], plane: Plane, axes: str, count: int, number: int | None
) -> tuple[tuple[Prompt, ...], int]:
    """Return prompts with a choice on a plane in place of an earlier one, and its number.

    Parameters
    ----------
    prompts : tuple of Prompt
        All of the object.
    plane : Plane
        Where to choose.
    axes : str
        Of the volume.
    count : int
        How many answers there are.
    number : int or None
        Which one; the next one if None.

    Raises
    ------
    ValueError
        If there is no prompt to answer on the plane, or no such answer.
    """
    there = [p for p in prompts if prompt_plane(p, axes) == plane]
    if not any(not isinstance(p, MaskPrompt | ChoicePrompt) for p in there):
        raise ValueError(f"nothing to choose from: no prompt on plane {plane.index}")
    before = [p.number for p in there if isinstance(p, ChoicePrompt)]
    if number is None:
        number = (before[-1] + 1) % count if before else 1
    if not 0 <= number < count:
        raise ValueError(f"choice {number!r}; valid: 0 to {count - 1}")
    kept = (p for p in prompts if not (isinstance(p, ChoicePrompt) and p in there))
    return (*kept, ChoicePrompt(number, plane.index)), number
