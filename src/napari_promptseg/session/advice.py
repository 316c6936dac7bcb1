"""Advice on a plane of the active object: uncertainty, the next click, likely mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Plane, plane_by_index
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.prompts import prompt_plane
from napari_promptseg.session.mask_quality import check_quality
from napari_promptseg.session.uncertainty import suggest_click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.session.mask_quality import QualityNote
    from napari_promptseg.session.predictor import Predictor
    from napari_promptseg.session.session_state import PlaneIndex, SessionState, StateView
    from napari_promptseg.session.store import Store
    from napari_promptseg.session.uncertainty import Uncertainty


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Suggestion of the next click, at the place where it would help most.

    Parameters
    ----------
    position : tuple of float
        For `Session.add_point`.
    positive : bool
        Which side it probably is on; whoever looks at the image knows better.
    axis : str or None
        Normal of the plane, for `Session.add_point`.
    """

    position: tuple[float, ...]
    positive: bool
    axis: str | None


@dataclass(frozen=True, slots=True)
class PlaneView:
    """One plane of the active object.

    Parameters
    ----------
    plane : Plane
        Which one.
    mask : (H, W) bool array
        The object there, as it is in the session.
    prompts : PlanePrompts
        Those that act on it.
    neighbour : (H, W) bool array or None
        The object on the plane before, or else after it; None if it is on neither.
    """

    plane: Plane
    mask: NDArray[np.bool_]
    prompts: PlanePrompts
    neighbour: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls,
        store: Store,
        volume: Volume,
        index: int | Sequence[int] | Plane | None,
        axis: str | None,
    ) -> PlaneView:
        """Look at a plane; at that of the last prompt if no index is given.

        Raises
        ------
        ValueError
            If there is no such plane or it is too large, or neither index nor prompt.
        """
        anchors = store.draft.anchors(volume.names)
        if isinstance(index, Plane):
            plane = index
        elif index is not None:
            plane = plane_by_index(volume.names, volume.shape, index, axis)
        elif anchors:
            plane = prompt_plane(store.draft.prompts[-1], volume.names)
        else:
            raise ValueError("no plane has a prompt yet: say which plane by its index")
        volume.check_whole(plane, "advice")
        prompts = PlanePrompts.collect(store.draft.prompts, plane, volume.names)
        return cls(plane, store.mask[plane.slices], prompts, _neighbour(store, plane))

    def uncertainty(self, predictor: Predictor) -> Uncertainty:
        """Ask the model how unsure it is."""
        prior = self.mask.copy() if self.mask.any() else None
        return predictor.uncertainty(self.plane, self.prompts, prior)

    def suggest(self, predictor: Predictor, axes: str) -> Suggestion | None:
        """Ask where a click would help most; see `suggest_click`."""
        click = suggest_click(self.uncertainty(predictor), self.mask, self.prompts)
        if click is None:
            return None
        cut = [name for name, i in zip(axes, self.plane.index, strict=True) if i is not None]
        return Suggestion(self._position(click[0]), click[1], cut[-1] if cut else None)

    def quality(self) -> list[QualityNote]:
        """See `check_quality`; positions are those of the volume."""
        notes = check_quality(self.mask, self.prompts, self.neighbour)
        return [
            note if note.where is None else replace(note, where=self._position(note.where))
            for note in notes
        ]

    def _position(self, pixel: Sequence[float]) -> tuple[float, ...]:
        flat = iter(pixel)
        return tuple(float(next(flat) if i is None else i) for i in self.plane.index)


def _neighbour(store: Store, plane: Plane) -> NDArray[np.bool_] | None:
    cut = [axis for axis, entry in enumerate(plane.index) if entry is not None]
    if not cut:
        return None
    along, here = cut[-1], plane.index[cut[-1]] or 0
    for index in (here - 1, here + 1):
        if 0 <= index < store.mask.shape[along]:
            mask = store.mask[plane.moved(along, index).slices]
            if mask.any():
                return mask
    return None


def uncertainty(
    state: SessionState, index: PlaneIndex = None, axis: str | None = None
) -> NDArray[np.float32]:
    """Return how unsure the model is about each pixel of a plane.

    Parameters
    ----------
    index, axis : optional
        Which plane, as in `add_mask`; that of the last prompt when not given.

    Returns
    -------
    (H, W) float32 array
        From 0, sure, to 1, undecided; 0 beyond the part that the model was given.

    Raises
    ------
    ValueError
        If there is no such plane, or the backend cannot tell (`capabilities`).
    """
    view = _view(state, index, axis)
    return view.uncertainty(state.predictor).paste(view.mask.shape)


def suggest(
    state: SessionState, index: PlaneIndex = None, axis: str | None = None
) -> Suggestion | None:
    """Return where the next click on a plane would help most, None if nowhere.

    Parameters and errors are those of `uncertainty`.
    """
    return _view(state, index, axis).suggest(state.predictor, state.volume.names)


def quality(
    state: StateView, index: PlaneIndex = None, axis: str | None = None
) -> list[QualityNote]:
    """Return the likely mistakes of the object on a plane; an empty list for a good one.

    Parameters and errors are those of `uncertainty`, but any backend will do.
    """
    return _view(state, index, axis).quality()


def _view(state: StateView, index: PlaneIndex, axis: str | None) -> PlaneView:
    state.settle()
    return PlaneView.of(state.store, state.volume, index, axis)
