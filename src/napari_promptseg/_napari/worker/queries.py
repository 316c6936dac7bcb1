"""Read-only queries on a session, run on the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.prompts import prompt_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.session.advice import Suggestion
    from napari_promptseg.session.mask_quality import QualityNote


def uncertainty(session: AnySession, plane: Plane) -> NDArray[np.float32]:
    """Return the uncertainty of the model about the (H, W) pixels of a plane, in [0, 1].

    Without an object there the map is zero: there is nothing to be unsure about.
    """
    if session.has_object(plane) or _prompted(session, plane):
        return session.uncertainty(plane)
    return np.zeros(plane.shape_in(session.volume.shape), np.float32)


def next_click(session: AnySession, plane: Plane | None) -> Suggestion | None:
    """Return where to click next: on the plane in view if the object is there.

    Otherwise it is on the plane of the last prompt. There is none on very large planes.
    """
    if plane is None or not session.has_object(plane):
        plane = prompt_plane(session.prompts[-1], session.volume.names) if session.prompts else None
    if plane is None or session.volume.is_large(plane):
        return None
    return session.suggest(plane)


def notes(session: AnySession, plane: Plane | None) -> list[QualityNote]:
    """Return what looks wrong about the object on the plane in view."""
    return [] if plane is None or session.volume.is_large(plane) else session.quality(plane)


def _prompted(session: AnySession, plane: Plane) -> bool:
    return any(prompt_plane(prompt, session.volume.names) == plane for prompt in session.prompts)
