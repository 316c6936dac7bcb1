"""Settings of a session: its model, and the intensity window, channels and pixels of its image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_promptseg.session.history import Change
from napari_promptseg.session.intensity_range import IntensityRange
from napari_promptseg.session.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.intensity_window import Window
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Backend
    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.wrappers.options import Refinement


def set_backend(
    state: SessionState,
    backend: str | Backend,
    device: str = "auto",
    refinement: Refinement | None = None,
) -> None:
    """Use another backend from now on; the active object stays.

    Parameters are those of the session; the propagator stays where none is named.
    Raises ``ValueError`` if no backend has that name.
    """
    state.interrupt()
    former = state.predictor
    predictor = Predictor(state.volume, backend, device, refinement, former.propagator)
    former.close()
    state.predictor = predictor
    state.connect_predictor()


def set_intensity_range(state: SessionState, limits: tuple[float, float] | None) -> None:
    """Let prompts, painting and growing add pixels of these raw values only, as a step of undo.

    None sets no limit. Raises ``ValueError`` if the range is empty.
    """
    new = None
    if limits is not None:
        exact = IntensityRange(*limits)  # an error names what was given
        new = IntensityRange(float(exact.low), float(exact.high))
    store = state.store
    if new == store.intensity_range:
        return
    state.interrupt()
    sides = store.intensity_range, new
    store.do(Change("intensity range", (store.draft, store.draft), intensity_range=sides))


def free(state: SessionState) -> None:
    """Free the memory of the backend; the next prompt loads it again."""
    state.interrupt()
    state.predictor.close()


def set_window(state: SessionState, window: Window | str | None) -> None:
    """Use another intensity window from now on: one, the name of a CT window, or None.

    None derives one from the data. Raises ``ValueError`` if no CT window has that name.
    """
    set_volume(state, replace(state.volume, window=window))


def set_channels(state: SessionState, channels: Sequence[int]) -> None:
    """Use other channels of the image from now on, one to three of them.

    Raises ``ValueError`` if the image has none of that number, or no channels at all.
    """
    set_volume(state, replace(state.volume, channels=tuple(channels)))


def set_volume(state: SessionState, volume: Volume) -> None:
    """Use other pixels or another geometry of the same shape from now on; objects stay.

    Raises ``ValueError`` if the axes or the shape differ.
    """
    if (volume.names, volume.shape) != (state.volume.names, state.volume.shape):
        raise ValueError(
            f"an image of axes {volume.names!r} and shape {volume.shape} cannot take the place "
            f"of one of {state.volume.names!r} and {state.volume.shape}"
        )
    state.interrupt()
    state.volume = volume
    state.predictor.look_at(volume)


def warm_up(state: SessionState) -> None:
    """Load the backend and let it answer once, so that the first prompt is quick."""
    state.predictor.warm_up()


def close(state: SessionState) -> None:
    """Free the model and the saved file; the session can still be read and saved."""
    free(state)
    if state.claim is not None:
        state.claim.release()
        state.claim = None
