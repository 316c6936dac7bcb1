"""Held-out splits: scenes of a data set that validate and are never trained on."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def held_out_names(
    names: Sequence[str], share: float, *, group: str | None = None, last: bool = False
) -> frozenset[str]:
    """Choose a share of the scenes of a data set, the same ones every time.

    The choice depends on names alone, so that it outlives a new order of the files, a
    copy to another machine and a resumed run.

    Parameters
    ----------
    names : sequence of str
        All scenes.
    share : float
        Part of them to keep from training, in [0, 1).
    group : str, optional
        Regular expression: scenes whose names hold the same match are kept together, as
        the images of one patient must be. A name without a match is a group of its own.
    last : bool
        Keep the last ones in the order of their names, which is right where neighbours
        resemble each other, as the planes of a stack do; otherwise a hash of the name
        decides.

    Returns
    -------
    frozenset of str
        Empty for a share of 0, otherwise at least one group.

    Raises
    ------
    ValueError
        If the share is out of range, the expression is invalid, or nothing would be
        left to train on.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share that is held out must be in [0, 1), got {share!r}")
    if share == 0:
        return frozenset()
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(_group_of(name, group), []).append(name)
    if len(groups) < 2:
        raise ValueError(
            f"{len(groups)} group of scenes cannot be shared between training and validation; "
            "set held_out = 0 or choose another group"
        )
    order = list(reversed(groups)) if last else sorted(groups, key=_rank)
    target_count, held_out = share * len(set(names)), list[str]()
    for key in order[:-1]:
        # A group enters if that comes closer to the share; the first one always does.
        if held_out and len(held_out) + len(groups[key]) / 2 > target_count:
            break
        held_out += groups[key]
    return frozenset(held_out)


def _group_of(name: str, group: str | None) -> str:
    if group is None:
        return name
    try:
        match = re.search(group, name)
    except re.error as error:
        raise ValueError(f"group {group!r} is no regular expression: {error}") from error
    return match.group() if match else name


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
