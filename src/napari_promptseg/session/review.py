"""Review order of planes: the least sure one first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.session_state import StateView


class Review:
    """Goes through planes from the least sure one on.

    A plane that was shown comes again only when its confidence has changed: then it was
    answered anew.
    """

    def __init__(self) -> None:
        self._reviewed: dict[Plane, float] = {}

    def next(self, confidences: Mapping[Plane, float]) -> Plane | None:
        """Return the least sure plane that was not shown yet; None after the last one.

        Parameters
        ----------
        confidences : mapping of Plane to float
            Of the planes that are not reviewed by what the user did.
        """
        open_planes = {p: sure for p, sure in confidences.items() if self._reviewed.get(p) != sure}
        if not open_planes:
            self.restart()
            return None
        plane = min(open_planes, key=open_planes.__getitem__)
        self._reviewed[plane] = open_planes[plane]
        return plane

    def restart(self) -> None:
        """Begin with the least sure plane again."""
        self._reviewed.clear()


def confidences(state: StateView) -> dict[Plane, float]:
    """Return how sure the active object is, in [0, 1], by plane; see `Session.confidences`."""
    state.settle()
    anchors = state.store.draft.anchors(state.volume.names)
    return {**state.store.confidences(), **dict.fromkeys(anchors, 1.0)}


def worst_plane(state: StateView, axis: str | None = None) -> Plane | None:
    """Return the least sure plane that the user has not reviewed yet.

    Each call goes on to the next less sure plane, but for those with prompts; one that
    was answered anew comes again. After the last it is None, and begins from the start.

    Parameters
    ----------
    axis : str, optional
        Only planes that cut this axis.
    """
    anchors = {*state.store.draft.anchors(state.volume.names)}
    cut = None if axis is None else state.volume.names.index(axis)
    return state.review.next(
        {
            plane: confidence
            for plane, confidence in confidences(state).items()
            if plane not in anchors and (cut is None or plane.index[cut] is not None)
        }
    )
