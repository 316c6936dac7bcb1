"""Calls of a client that carry labels: of a box, a plane or an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Base64Bytes, Field

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.data.geometry import Bounds, Plane, box_slices
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.remote.method_call import MethodCall
from napari_promptseg.remote.protocol import Number, PlaneProposals, Text, Value
from napari_promptseg.session import few_shot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.few_shot.proposals import Proposal
    from napari_promptseg.session.session import Session

_MAX_BYTES: Final = 11 * 2**20
"""Compressed ids of one call; a message that is larger ends the connection."""


def _packed_ids(values: NDArray[Any]) -> bytes:
    """Compress ids.

    Raises
    ------
    ValueError
        If some are none, or all of them are too much for a message.
    """
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < 2**16:
        raise ValueError(f"ids must be 0 to {2**16 - 1}, got {values.min()} to {values.max()}")
    packed = pack(values.astype("<u2"))
    if len(packed) > _MAX_BYTES:
        size = f"{len(packed) / 2**20:.0f} MiB of compressed labels"
        raise ValueError(f"{size} are too much for one message; valid: {_MAX_BYTES >> 20}")
    return packed


def _ids(data: bytes, shape: Sequence[int]) -> NDArray[np.uint16]:
    """Return the ids that were compressed.

    Raises
    ------
    ValueError
        If they are damaged or do not fit the shape.
    """
    return unpack(data, shape, np.dtype("<u2"))


class Paint(MethodCall):
    """See `Session.paint`; the ids compressed."""

    do: Literal["paint"] = "paint"
    box: Annotated[Bounds, Field(max_length=4)]
    data: Base64Bytes

    @classmethod
    def of(cls, box: Bounds, values: NDArray[Any]) -> Paint:
        """Pack the ids of a box.

        Raises
        ------
        ValueError
            If they are no ids, or do not fit the box.
        """
        values = np.asarray(values)
        shape = tuple(stop - start for start, stop in box)
        if values.shape != shape or values.dtype.kind not in "bui":
            raise ValueError(
                f"expected integers of shape {shape}, got {values.dtype} of {values.shape}"
            )
        return cls.model_construct(box=box, data=_packed_ids(values))

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        shape = session.volume.shape
        if len(self.box) != len(shape) or not all(
            0 <= start < stop <= n for (start, stop), n in zip(self.box, shape, strict=True)
        ):
            raise ValueError(f"box {self.box} is not within {shape}")
        extent = [stop - start for start, stop in self.box]
        session.paint(self.box, _ids(self.data, extent))
        return None


class Accept(MethodCall):
    """See `Session.accept`; the number of the proposal of each pixel, compressed.

    Parameters
    ----------
    everything : bool
        Whether they were given as labels, which the history calls otherwise.
    """

    do: Literal["accept"] = "accept"
    index: Annotated[tuple[Number | None, ...], Field(max_length=4)]
    data: Base64Bytes
    name: Text = ""
    everything: bool = True

    @classmethod
    def of(
        cls,
        plane: Plane,
        shape: tuple[int, ...],
        proposals: Sequence[Proposal] | NDArray[Any],
        name: str,
    ) -> Accept:
        """Pack the proposals, or the labels of everything, of a plane."""
        return cls.model_construct(
            index=plane.index,
            data=_packed_ids(few_shot.proposal_numbers(proposals, shape)),
            name=name,
            everything=isinstance(proposals, np.ndarray),
        )

    def perform(self, session: Session) -> Value:
        """See `MethodCall`."""
        plane = Plane(self.index)
        numbers = _ids(self.data, session.labels[plane.slices].shape)
        if self.everything:
            return tuple(session.accept(numbers, plane, self.name))
        proposals = _proposals(numbers, (1.0,) * int(numbers.max(initial=0)))
        return tuple(session.accept(proposals, plane, self.name))


def packed_proposals(
    plane: Plane, shape: tuple[int, ...], proposals: Sequence[Proposal]
) -> PlaneProposals:
    """Pack the proposals of a plane, for the client."""
    return PlaneProposals.model_construct(
        index=plane.index,
        confidences=tuple(float(one.confidence) for one in proposals),
        data=_packed_ids(few_shot.proposal_numbers(proposals, shape)),
    )


def unpacked_proposals(packed: PlaneProposals, shape: Sequence[int]) -> list[Proposal]:
    """Return the proposals of a plane.

    Raises
    ------
    ValueError
        If they are damaged or do not fit the shape.
    """
    numbers = _ids(packed.data, shape)
    if numbers.max(initial=0) > len(packed.confidences):
        raise ValueError(f"{numbers.max()} proposals with {len(packed.confidences)} confidences")
    return _proposals(numbers, packed.confidences)


def _proposals(numbers: NDArray[np.uint16], confidences: Sequence[float]) -> list[Proposal]:
    """Return the proposals of a plane, of which each pixel has a number, from 1 on."""
    from napari_promptseg.few_shot.proposals import Proposal

    return [
        Proposal(numbers[box_slices(box)] == number, box[0][0], box[1][0], confidences[number - 1])
        for number, box in label_boxes(numbers).items()
    ]


class AddLabels(MethodCall):
    """See `Session.add_labels`; the ids compressed."""

    do: Literal["add_labels"] = "add_labels"
    data: Base64Bytes
    names: Annotated[dict[Number, Text], Field(max_length=65_535)]

    @classmethod
    def of(cls, values: NDArray[Any], names: Mapping[int, str]) -> AddLabels:
        """Pack the ids of an image."""
        return cls.model_construct(data=_packed_ids(values), names=dict(names))

    def perform(self, session: Session) -> Value:
        """See `MethodCall`; the ids before and after, one after the other."""
        new_ids = session.add_labels(_ids(self.data, session.volume.shape), self.names)
        return tuple(value for pair in new_ids.items() for value in pair)
