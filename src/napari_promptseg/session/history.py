"""Undo and redo: changes with the old and the new content of compressed boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import Base64Bytes

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.geometry import Bounds, box_slices
from napari_promptseg.session.intensity_range import IntensityRange
from napari_promptseg.session.state import Classes, Draft, StoredObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ArrayName = Literal["mask", "labels"]


_TYPES: Final = {"mask": np.dtype(np.bool_), "labels": np.dtype(np.uint16)}


@dataclass(frozen=True, slots=True)
class ImagePatch:
    """Old and new content of a box of one array.

    Parameters
    ----------
    array : {"mask", "labels"}
        Which array.
    box : Bounds
        Where.
    dtype : str
        Type of the values.
    old, new : bytes
        Compressed values.
    """

    array: ArrayName
    box: Bounds
    dtype: str
    old: Base64Bytes = field(repr=False)
    new: Base64Bytes = field(repr=False)

    @classmethod
    def between(
        cls, array: ArrayName, box: Bounds, old: NDArray[Any], new: NDArray[Any]
    ) -> ImagePatch:
        """Make a patch from the values of a box before and after."""
        return cls(array, box, old.dtype.str, pack(old), pack(new))

    def values(self, side: Literal["old", "new"]) -> NDArray[Any]:
        """Return one side as an array of the shape of the box."""
        shape = [stop - start for start, stop in self.box]
        return unpack(self.old if side == "old" else self.new, shape, self.dtype)

    def check(self, shape: Sequence[int]) -> None:
        """Check that it fits an array; a patch from a file may hold anything.

        Raises
        ------
        CorruptFileError
            If its box is not within a volume of that shape, or it holds other values.
        """
        inside = len(self.box) == len(shape) and all(
            0 <= start <= stop <= n for (start, stop), n in zip(self.box, shape, strict=True)
        )
        if not inside or self.dtype != _TYPES[self.array].str:
            raise CorruptFileError(
                f"a patch of {self.dtype} at {self.box} does not fit {tuple(shape)}"
            )

    def write(self, target: NDArray[Any], side: Literal["old", "new"]) -> None:
        """Write one side into the array."""
        target[box_slices(self.box)] = self.values(side)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a user, in both directions.

    Parameters
    ----------
    name : str
        What was done, for the user to read.
    draft : (Draft, Draft)
        The active object before and after.
    objects : mapping of int to (StoredObject or None, StoredObject or None)
        Committed objects that changed, before and after; None where there is none.
    patches : tuple of ImagePatch
        Changed boxes, in the order of writing.
    model : str
        What answered, with its wrappers, propagator, weights and window; empty where no
        model did.
    arguments : mapping of str to value
        Of a propagation that came to its end; see `Session.propagate`.
    classes : (Classes, Classes), optional
        Classes of the session before and after, if they changed.
    neighbors : (bool, bool), optional
        `Session.neighbors` before and after, if it changed.
    intensity_range : (IntensityRange or None, IntensityRange or None), optional
        Values that added pixels keep to before and after, if they changed.
    """

    name: str
    draft: tuple[Draft, Draft]
    objects: Mapping[int, tuple[StoredObject | None, StoredObject | None]] = field(
        default_factory=dict
    )
    patches: tuple[ImagePatch, ...] = ()
    model: str = ""
    arguments: Mapping[str, int | tuple[int, ...] | str | None] = field(default_factory=dict)
    classes: tuple[Classes, Classes] | None = None
    neighbors: tuple[bool, bool] | None = None
    intensity_range: tuple[IntensityRange | None, IntensityRange | None] | None = None


@dataclass(slots=True)
class History:
    """Changes done, and changes undone that can be redone."""

    done: list[Change] = field(default_factory=list)
    undone: list[Change] = field(default_factory=list)

    def copy(self) -> History:
        """Return a history of the same changes."""
        return History([*self.done], [*self.undone])

    def record(self, change: Change) -> None:
        """Add a change that was just done; what was undone before cannot be redone."""
        self.done.append(change)
        self.undone.clear()

    def step_back(self) -> Change | None:
        """Move the last change to the undone ones and return it, None if there is none."""
        if not self.done:
            return None
        self.undone.append(self.done.pop())
        return self.undone[-1]

    def step_forward(self) -> Change | None:
        """Move the last undone change back and return it, None if there is none."""
        if not self.undone:
            return None
        self.done.append(self.undone.pop())
        return self.done[-1]
