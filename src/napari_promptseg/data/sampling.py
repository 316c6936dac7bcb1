"""Evenly spaced samples of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


T = TypeVar("T")


def spread(values: Sequence[T], count: int | None) -> list[T]:
    """Keep at most `count` values, evenly spread from the first to the last."""
    if count is None or count >= len(values):
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, count).round().astype(int)]
