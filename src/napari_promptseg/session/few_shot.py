"""Classes in a session: committed objects as examples, and proposals that become objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.session import object_edits
from napari_promptseg.session.few_shot_examples import example_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.volume import PlaneImage, Volume
    from napari_promptseg.few_shot.few_shot_class import FewShotClass
    from napari_promptseg.few_shot.proposals import Proposal
    from napari_promptseg.session.store import Store


class Classes:
    """The part of a `Session` that is about classes."""

    volume: Volume
    _store: Store

    if TYPE_CHECKING:

        def _interrupt(self) -> None: ...
        def _settle(self) -> None: ...
        def _plane(self, index: int | Sequence[int] | Plane | None) -> Plane: ...

    def examples(
        self, name: str | None = None, without: Collection[int] = ()
    ) -> list[tuple[PlaneImage, NDArray[np.integer[Any]]]]:
        """Return planes with committed objects, to learn a class from.

        Parameters
        ----------
        name : str, optional
            Of the objects; all of them when not given.
        without : collection of int
            Ids of objects to leave out, such as those learnt before.

        Returns
        -------
        list of (PlaneImage, (H, W) int64 array)
            Planes where they are large, with their ids; 0 elsewhere.
        """
        return list(example_planes(self._store, self.volume, name, without))

    def propose(
        self,
        concept: FewShotClass,
        index: int | Sequence[int] | Plane | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[Proposal]:
        """Find objects of a class on a plane, beside those that are committed; none changes.

        Parameters
        ----------
        concept : FewShotClass
            The class.
        index : int, (int, int) or Plane, optional
            Which plane, as in `add_mask`; the middle one when not given.
        stopped : callable
            Asked now and then; once it says so, nothing is found.

        Returns
        -------
        list of Proposal
            The likeliest first, for `accept`.

        Raises
        ------
        ValueError
            If there is no such plane, or it is too large.
        """
        self._settle()
        plane = self._plane(index)
        self.volume.check_whole(plane, "finding objects of a class")
        found = concept.proposals(self.volume.plane(plane), stopped)
        from napari_promptseg.few_shot.proposals import exclude_occupied

        return exclude_occupied(found, np.asarray(self._store.labels[plane.slices]) > 0)

    def accept(
        self,
        proposals: Sequence[Proposal],
        index: int | Sequence[int] | Plane | None = None,
        name: str = "",
    ) -> list[int]:
        """Commit proposals of a plane in one step; other objects keep their pixels.

        Parameters
        ----------
        proposals : sequence of Proposal
            From `propose`.
        index : int, (int, int) or Plane, optional
            The plane that they are of.
        name : str
            Of the new objects, such as that of the class.

        Returns
        -------
        list of int
            Ids of the new objects; fewer where others have all pixels of one.

        Raises
        ------
        ValueError
            If there is no such plane, or a proposal does not fit it.
        """
        self._interrupt()
        plane = self._plane(index)
        found = np.zeros(self._store.labels[plane.slices].shape, np.int32)
        for number, proposal in enumerate(proposals, start=1):
            if found[proposal.part].shape != proposal.mask.shape:
                raise ValueError(
                    f"a proposal at {proposal.part} does not fit a plane of {found.shape}"
                )
            found[proposal.part][proposal.mask] = number
        labels, change = object_edits.add_found(self._store, plane, found, "accept proposals", name)
        if labels:
            self._store.do(change)
        return labels
