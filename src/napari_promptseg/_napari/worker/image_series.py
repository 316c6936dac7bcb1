"""Jobs of an image series: open and save the session of an image, rank images."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from napari_promptseg.io.read import open_volume
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_promptseg._napari.worker.any_session import AnySession
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.session.image_series import ImageSeries
    from napari_promptseg.session.state import Color
    from napari_promptseg.wrappers.options import Refinement

_log = logging.getLogger(__name__)


def open_session(
    series: ImageSeries, name: str, backend: str, device: str, refinement: Refinement
) -> Session:
    """Return the saved session of an image, or a new one; with the classes of the series.

    Raises
    ------
    ValueError
        If image or session cannot be read.
    """
    volume = open_volume(series.path(name))
    path = series.session_path(name)
    if path.is_file():
        session = Session.load(path, volume=volume)
    else:
        session = Session(volume, backend, device=device, refinement=refinement)
    session.set_classes({**series.classes, **session.classes})
    return session


def save_beside(
    session: AnySession, series: ImageSeries, name: str, colors: Mapping[int, Color]
) -> bool:
    """Save session and labels beside an image; return whether there are objects.

    Nothing is written for an image that was only looked at; labels of objects that were all
    deleted are replaced by empty ones.
    """
    if set(session.history) <= {"classes"}:
        return bool(session.objects)
    session.save(series.session_path(name))
    target = series.labels_path(name)
    if session.objects or target.exists():
        session.export(target, overwrite=True, colors=colors)
    return bool(session.objects)


def rank_images(series: ImageSeries) -> tuple[list[str], list[str]]:
    """Order images that are neither done nor in work, the most useful to annotate first.

    Without a class to find, an image is useful if it is unlike those before.

    Returns
    -------
    (list of str, list of str)
        Names in that order, and those that cannot be read.
    """
    from napari_promptseg.few_shot.active_learning import rank

    names = [name for name in series.names if name not in (*series.done, series.current)]
    unreadable: list[str] = []
    ranked = [entry.key for entry in rank(_middle_planes(series, names, unreadable))]
    return ranked, unreadable


def _middle_planes(
    series: ImageSeries, names: list[str], unreadable: list[str]
) -> Iterator[tuple[str, PlaneImage]]:
    from napari_promptseg.data.geometry import plane_at

    for name in names:
        try:
            volume = open_volume(series.path(name))
            middle = plane_at(volume.names, [size // 2 for size in volume.shape])
            image = volume.plane(middle)
        except (ValueError, OSError) as error:
            _log.info("%s is not ranked: %s", name, error)
            unreadable.append(name)
            continue
        yield name, image
