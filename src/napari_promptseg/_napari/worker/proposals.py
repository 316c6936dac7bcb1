"""Proposed objects, of a plane or of the whole image, and the commands for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import Plane
from napari_promptseg.data.masks import pack_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg._napari.worker.job_queue import Job
    from napari_promptseg._napari.worker.session_proxy import SessionProxy
    from napari_promptseg.data.progress import Report
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.few_shot.proposals import Proposal  # noqa: TC004 - not evaluated
    from napari_promptseg.instances.objects import FoundObject, FoundObjects  # noqa: TC004

Examples = list[tuple["PlaneImage", "NDArray[np.integer[Any]]"]]
Section = tuple[tuple[slice, slice], "NDArray[np.bool_]"]
"""Rows and columns of a plane, and a mask of them."""


@dataclass(frozen=True, eq=False, slots=True)
class LocatedProposal:
    """A proposal with its plane.

    Parameters
    ----------
    plane : Plane
        Of the volume.
    proposal : Proposal
        Of the plane.
    """

    plane: Plane
    proposal: Proposal

    @property
    def confidence(self) -> float:
        """Probability that it is one, in [0, 1]."""
        return self.proposal.confidence

    @property
    def size(self) -> int:
        """Number of its pixels."""
        return int(np.count_nonzero(self.proposal.mask))

    @property
    def position(self) -> tuple[int, ...]:
        """A pixel of it in the volume, near its middle."""
        middle = _middle(self.proposal.mask)
        entries = [0 if i is None else i for i in self.plane.index]
        row, column = self.plane.in_plane
        entries[row] = self.proposal.top + middle[0]
        entries[column] = self.proposal.left + middle[1]
        return tuple(entries)

    def largest_plane(self) -> Plane:
        """Return its plane."""
        return self.plane

    def section(self, plane: Plane) -> Section | None:
        """Return the part of a plane that it lies in, and its mask there; None for none."""
        return (self.proposal.part, self.proposal.mask) if plane == self.plane else None


@dataclass(frozen=True, eq=False)
class VolumeProposal:
    """A proposal of the whole image: a volume, a video or a series.

    Parameters
    ----------
    instance : FoundObject
        Of the image without channel.
    """

    instance: FoundObject

    @property
    def plane(self) -> None:
        """None, as it is on no plane alone."""
        return None

    @property
    def confidence(self) -> float:
        """Probability that it is one, in [0, 1]."""
        return self.instance.score

    @cached_property
    def size(self) -> int:
        """Number of its pixels."""
        return self.instance.size

    @cached_property
    def position(self) -> tuple[int, ...]:
        """A pixel of it in the volume, near its middle."""
        middle = _middle(self.instance.mask)
        return tuple(corner + i for corner, i in zip(self.instance.corner, middle, strict=True))

    def largest_plane(self) -> Plane:
        """Return the plane along z and t on which it is largest."""
        areas = np.count_nonzero(self.instance.mask, axis=(-2, -1))
        at = np.unravel_index(int(areas.argmax()), areas.shape)
        index = [int(c + i) for c, i in zip(self.instance.corner[:-2], at, strict=True)]
        return Plane((*index, None, None))

    def section(self, plane: Plane) -> Section | None:
        """Return the part of a plane that it lies in, and its mask there; None for none."""
        box = self.instance.box
        if not plane.crosses(tuple((part.start, part.stop) for part in box)):
            return None
        index = tuple(
            slice(None) if i is None else i - corner
            for i, corner in zip(plane.index, self.instance.corner, strict=True)
        )
        row, column = plane.in_plane
        mask = self.instance.mask[index]
        return ((box[row], box[column]), mask) if mask.any() else None


AnyProposal = LocatedProposal | VolumeProposal


def mask_on(one: AnyProposal, plane: Plane, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the (H, W) mask of a proposal on a plane of a shape."""
    mask = np.zeros(shape, np.bool_)
    if section := one.section(plane):
        mask[section[0]] = section[1]
    return mask


def holds(one: AnyProposal, plane: Plane, position: Sequence[float]) -> bool:
    """Return whether a position on a plane is a pixel of a proposal."""
    section = one.section(plane)
    if section is None:
        return False
    part, mask = section
    row, column = (
        round(position[axis]) - where.start
        for axis, where in zip(plane.in_plane, part, strict=True)
    )
    inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
    return inside and bool(mask[row, column])


def _middle(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the pixel of a mask that is nearest to its centroid."""
    inside = np.argwhere(mask)
    nearest = inside[np.abs(inside - inside.mean(0)).sum(1).argmin()]
    return tuple(int(i) for i in nearest)


class ProposalCommands:
    """Collects examples, accepts proposals and makes one the active object.

    Parameters
    ----------
    proxy : SessionProxy
        The session.
    """

    def __init__(self, proxy: SessionProxy) -> None:
        self._proxy = proxy

    def examples(
        self, name: str, without: Collection[int], then: Callable[[Examples], None]
    ) -> None:
        """Collect committed objects of a name, all of them if none is called so."""

        def work(session: AnySession, _: Job) -> Examples:
            has_name = any(item.name == name for item in session.objects.values())
            return session.examples(name if has_name else None, without)

        self._proxy.run(work, then)

    def find_all(
        self,
        plane: Plane | None,
        then: Callable[[FoundObjects], None],
        report: Report,
        settle: Callable[[Job], None],
    ) -> Job:
        """Find all objects of a plane, or of the whole image, without prompts.

        Nothing is committed. A prompt ends the search in the whole image, so that it is answered
        at once.

        Parameters
        ----------
        plane : Plane or None
            None for the whole image.
        then, settle : callable
            See `SessionProxy.run`.
        report : callable
            Called on the main thread with the number of planes that were looked at, and of all.
        """

        def work(session: AnySession, job: Job) -> FoundObjects:
            def is_cancelled() -> bool:
                return job.stop_event.is_set() or (plane is None and bool(self._proxy.pending))

            def show(done: int, total: int) -> None:
                self._proxy.deliver(partial(report, done, total))

            return session.find_all(plane, report=show, is_cancelled=is_cancelled)

        return self._proxy.run(work, then, key="find all", settle=settle, loads_model=True)

    def accept(self, proposals: Sequence[AnyProposal], name: str) -> None:
        """Commit proposals: in one step a plane, and in one those of the whole image."""
        located = [one for one in proposals if isinstance(one, LocatedProposal)]
        instances = [one.instance for one in proposals if isinstance(one, VolumeProposal)]

        def work(session: AnySession, _: Job) -> list[int]:
            planes = dict.fromkeys(one.plane for one in located)
            ids = [
                label
                for plane in planes
                for label in session.accept(
                    [one.proposal for one in located if one.plane == plane], plane, name
                )
            ]
            return ids + (_commit(session, instances, name) if instances else [])

        def then(labels: list[int]) -> None:
            if not labels:
                text = "Not committed: other objects have all of its pixels"
            elif len(labels) == 1:
                text = f"Committed object {labels[0]}"
            else:
                text = f"Committed {len(labels)} objects"
            self._proxy.events.status.emit(text)

        self._proxy.run(work, then)

    def take_over(self, one: AnyProposal) -> None:
        """Make a proposal the active object, to be corrected with clicks."""

        def work(session: AnySession, _: Job) -> None:
            if isinstance(one, VolumeProposal):
                for label in _commit(session, [one.instance], ""):
                    session.reopen(label)
                return
            rows, columns = (session.volume.shape[axis] for axis in one.plane.in_plane)
            mask = one.proposal.whole((rows, columns))
            session.add_prompts([pack_mask(one.plane, mask)])

        self._proxy.run(work, self._proxy.say("Correct it with clicks, then commit it"))


def _commit(session: AnySession, instances: Sequence[FoundObject], name: str) -> list[int]:
    """Commit objects of the whole image as one step; return their ids."""
    labels = np.zeros(session.volume.shape, np.int32)
    for number, one in enumerate(instances, start=1):
        labels[one.box][one.mask] = number
    names = dict.fromkeys(range(1, len(instances) + 1), name) if name else None
    return list(session.add_labels(labels, names).values())
