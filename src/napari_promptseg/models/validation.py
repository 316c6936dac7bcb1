"""Validation of prompts for a model and of its output, and detection of out-of-memory errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Prediction


def check_prompts(prompts: PlanePrompts, name: str, valid: Collection[str]) -> None:
    """Refuse prompts of kinds that a backend does not understand.

    Parameters
    ----------
    prompts : PlanePrompts
        Of a plane.
    name : str
        Of the backend.
    valid : collection of str
        Kinds of prompts that it understands, see `Capabilities`.

    Raises
    ------
    InvalidPromptError
        If there is another one.
    """
    kinds = {"point" if len(s.path) == 1 else "scribble" for s in prompts.strokes}
    kinds |= {"box" if r.box else "lasso" for r in prompts.regions}
    kinds |= {"text"} if prompts.text else set()
    if unknown := kinds.difference(valid):
        raise InvalidPromptError(
            f"backend {name!r} does not understand {sorted(unknown)}; "
            f"valid prompts: {sorted(valid)}"
        )


def find_fault(answer: Prediction, shape: tuple[int, int]) -> str:
    """Return the first fault of a prediction for a plane of this shape; empty if valid."""
    probability: Any = answer.probability
    size = (answer.rows[1] - answer.rows[0], answer.columns[1] - answer.columns[0])
    if not isinstance(probability, np.ndarray) or probability.dtype != np.float32:
        return f"{getattr(probability, 'dtype', type(probability).__name__)}, not float32"
    if probability.shape != size:
        return f"{probability.shape} for a box of {size}"
    ranges = zip((answer.rows, answer.columns), shape, strict=True)
    if not all(0 <= start <= stop <= n for (start, stop), n in ranges):
        return f"rows {answer.rows}, columns {answer.columns} of a plane {shape}"
    if not np.isfinite(probability).all():
        return "values that are no numbers"
    low, high = float(probability.min(initial=0)), float(probability.max(initial=0))
    if not 0 <= low <= high <= 1:
        return f"values from {low} to {high}"
    if not 0 <= answer.score <= 1:
        return f"a score of {answer.score}"
    return ""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception means out of memory, of a GPU or of the machine."""
    if isinstance(error, MemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in message or "alloc" in message)
