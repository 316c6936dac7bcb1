"""Commands for objects proposed by a few-shot class."""

from __future__ import annotations

from dataclasses import dataclass
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
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.few_shot.proposals import Proposal  # noqa: TC004 - not evaluated
    from napari_promptseg.instances.objects import FoundObjects

Examples = list[tuple["PlaneImage", "NDArray[np.integer[Any]]"]]


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
    def position(self) -> tuple[int, ...]:
        """A pixel of it in the volume, near its middle."""
        inside = np.argwhere(self.proposal.mask)
        middle = inside[np.abs(inside - inside.mean(0)).sum(1).argmin()]
        entries = [0 if i is None else i for i in self.plane.index]
        row, column = self.plane.in_plane
        entries[row] = self.proposal.top + int(middle[0])
        entries[column] = self.proposal.left + int(middle[1])
        return tuple(entries)

    def holds(self, plane: Plane, position: Sequence[float]) -> bool:
        """Return True if a position on a plane is one of its pixels."""
        if plane != self.plane:
            return False
        axes = zip(self.plane.in_plane, (self.proposal.top, self.proposal.left), strict=True)
        row, column = (round(position[axis]) - first for axis, first in axes)
        height, width = self.proposal.mask.shape
        inside = 0 <= row < height and 0 <= column < width
        return inside and bool(self.proposal.mask[row, column])


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

    def find_all(self, plane: Plane, then: Callable[[FoundObjects], None]) -> None:
        """Find all objects of a plane without prompts; nothing is committed."""

        def work(session: AnySession, job: Job) -> FoundObjects:
            return session.find_all(plane, is_cancelled=job.stop_event.is_set)

        self._proxy.run(work, then, key="find all", loads_model=True)

    def accept(self, located: Sequence[LocatedProposal], name: str) -> None:
        """Commit proposals, in one step a plane."""

        def work(session: AnySession, _: Job) -> list[int]:
            planes = dict.fromkeys(one.plane for one in located)
            return [
                label
                for plane in planes
                for label in session.accept(
                    [one.proposal for one in located if one.plane == plane], plane, name
                )
            ]

        def then(labels: list[int]) -> None:
            if not labels:
                text = "Not committed: other objects have all of its pixels"
            elif len(labels) == 1:
                text = f"Committed object {labels[0]}"
            else:
                text = f"Committed {len(labels)} objects"
            self._proxy.events.status.emit(text)

        self._proxy.run(work, then)

    def take_over(self, located: LocatedProposal) -> None:
        """Make a proposal the active object, to be corrected with clicks."""

        def work(session: AnySession, _: Job) -> None:
            rows, columns = (session.volume.shape[axis] for axis in located.plane.in_plane)
            mask = located.proposal.whole((rows, columns))
            session.add_prompts([pack_mask(located.plane, mask)])

        self._proxy.run(work, self._proxy.say("Correct it with clicks, then commit it"))
