"""A session as HTML for notebooks: the plane with outlines, and its objects as thumbnails."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.geometry import Plane, all_planes, box_slices
from napari_promptseg.data.prompts import PointPrompt, prompt_plane
from napari_promptseg.data.resize import resize

if TYPE_CHECKING:
    from napari_promptseg.session.session import Session

UInt8 = NDArray[np.uint8]

SIDE: Final = 384
"""Longer side of the picture in pixels, at most."""
_THUMBNAIL: Final = 64
_MOST_OBJECTS: Final = 12
_NAME_LENGTH: Final = 40
_MASK_COLOR: Final = (255, 140, 0)
_CLICK_COLORS: Final = {True: (40, 220, 40), False: (240, 40, 40)}
_CLICK_RADIUS: Final = 3
_OBJECT_COLORS: Final = ((64, 160, 255), (90, 200, 90), (230, 100, 180), (240, 220, 60))


def session_html(session: Session) -> str:
    """Return a session as HTML of bounded size, without scripts.

    At most 12 objects are shown as thumbnails; how many more there are is said.
    """
    plane, objects = shown_plane(session), session.objects
    size = " x ".join(str(n) for n in session.volume.shape)
    place = ", ".join(str(i) for i in plane.index if i is not None)
    where = f", plane {place}" if place else ""
    title = f"{session.volume.names} {size}{where}, {session.backend}, {len(objects)} objects"
    parts = [
        f'<div style="font-family:sans-serif"><div>{html.escape(title)}</div>',
        _image(picture(session, plane), "the plane, with the outlines of mask and objects"),
        "<div>",
    ]
    for label, stored_object in sorted(objects.items())[:_MOST_OBJECTS]:
        name = html.escape(f"{label} {stored_object.name}"[:_NAME_LENGTH])
        parts.append(
            '<span style="display:inline-block;margin:4px;text-align:center;font-size:small">'
            f"{_image(_thumbnail(session, label), name)}<br>{name}</span>"
        )
    parts.append("</div>")
    if len(objects) > _MOST_OBJECTS:
        parts.append(f"<div>and {len(objects) - _MOST_OBJECTS} more</div>")
    return "".join([*parts, "</div>"])


def shown_plane(session: Session) -> Plane:
    """Return the plane that stands for a session: the last prompted one, else the middle one."""
    volume = session.volume
    for prompt in reversed(session.prompts):
        plane = prompt_plane(prompt, volume.names)
        if len(plane.index or ()) == len(volume.shape) and plane.index.count(None) == 2:
            return plane
    planes = list(all_planes(volume.names, volume.shape))
    return planes[len(planes) // 2]


def picture(session: Session, plane: Plane, side: int = SIDE) -> UInt8:
    """Return the (H, W, 3) colors of a plane, with outlines of its mask and objects, and clicks.

    Parameters
    ----------
    session : Session
        The session.
    plane : Plane
        The plane.
    side : int
        Longer side of the picture in pixels; a smaller plane keeps its size.
    """
    image = session.volume.plane(plane)
    scale = min(1.0, side / max(image.shape))
    shape = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    pixels = np.rint(image.rgb(shape) * 255).astype(np.uint8, order="C")
    labels = np.asarray(session.labels[plane.slices])
    for label in np.unique(labels[labels > 0]):
        pixels[_outline(labels == label, shape)] = _color(session, int(label))
    pixels[_outline(np.asarray(session.mask[plane.slices]), shape)] = _MASK_COLOR
    for prompt in session.prompts:
        if isinstance(prompt, PointPrompt) and prompt_plane(prompt, session.volume.names) == plane:
            color = _CLICK_COLORS[prompt.positive]
            place = (prompt.position[axis] for axis in plane.in_plane)
            row, column = (int((coordinate + 0.5) * scale) for coordinate in place)
            cv2.circle(pixels, (column, row), _CLICK_RADIUS + 1, (255, 255, 255), cv2.FILLED)
            cv2.circle(pixels, (column, row), _CLICK_RADIUS, color, cv2.FILLED)
    return pixels


def png(pixels: UInt8) -> bytes:
    """Return colors as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def _image(pixels: UInt8, text: str) -> str:
    data = base64.b64encode(png(pixels)).decode()
    return f'<img alt="{text}" src="data:image/png;base64,{data}">'


def _outline(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the border pixels of a mask in a picture of another size."""
    from scipy import ndimage

    resized = resize(mask, shape)
    inside: NDArray[np.bool_] = ndimage.binary_erosion(resized)
    return resized & ~inside


def _thumbnail(session: Session, label: int) -> UInt8:
    """Return an object on the plane where it is largest, cut out."""
    box = session.objects[label].box
    mask = np.asarray(session.labels[box_slices(box)]) == label
    others = mask.shape[:-2]
    areas = mask.sum((-2, -1)).reshape(-1)
    at = np.unravel_index(int(areas.argmax()), others) if others else ()
    index = (*(start + int(i) for (start, _), i in zip(box, at, strict=False)), None, None)
    image = session.volume.plane(Plane(index)).crop(box[-2], box[-1])
    scale = _THUMBNAIL / max(image.shape)
    shape = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    pixels = np.rint(image.rgb(shape) * 255).astype(np.uint8)
    pixels[_outline(mask[at], shape)] = _color(session, label)
    return pixels


def _color(session: Session, label: int) -> tuple[int, int, int]:
    return session.objects[label].color or _OBJECT_COLORS[label % len(_OBJECT_COLORS)]
