"""Training sets on disk: images with integer labels, volumes, and videos.

The layout is found by what a folder holds: ``images/NAME.webp`` with
``masks/NAME.png`` (2D), ``images/NAME.nii.gz`` with ``labels/NAME.nii.gz`` (3D), or
``SEQUENCE/images`` with ``SEQUENCE/masks`` (video).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["instances", "parts", "regions", "volume", "video"]
Layout = Literal["images", "volumes", "videos"]
UInt8 = NDArray[np.uint8]
IMAGE_SUFFIXES = (".webp", ".png", ".jpg", ".tif")


@dataclass(frozen=True, slots=True)
class Scene:
    """One image, volume or video with its labels.

    Parameters
    ----------
    image : (H, W, 3) or (Z, H, W) or (T, H, W, 3) uint8 array
        Already normalised to the full range.
    labels : (H, W) or (Z, H, W) or (T, H, W) integer array
        0 is background.
    kind : {"instances", "parts", "regions", "volume", "video"}
        What the ids mean: separate objects; parts whose union is an object too; a
        partition of the whole image whose neighbours may be merged; organs of a
        volume; one object in many frames.
    spacing : tuple of float
        Size of a pixel along each axis of `labels`.
    name : str
        Where it came from.
    """

    image: UInt8
    labels: NDArray[np.int32]
    kind: Kind
    spacing: tuple[float, ...]
    name: str


def _stretch(data: NDArray[np.floating]) -> UInt8:
    low, high = np.percentile(data, (0.5, 99.5))
    scaled = (data - low) / max(float(high - low), 1e-6)
    return np.asarray(np.clip(scaled, 0, 1) * 255, np.uint8)


def _read_rgb(path: Path, longest: int) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"cannot read the image {str(path)!r}")
    scale = longest / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def _read_labels(path: Path, shape: tuple[int, int]) -> NDArray[np.int32]:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise OSError(f"cannot read the labels {str(path)!r}")
    if labels.shape != shape:
        labels = cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(labels, dtype=np.int32)


def _images(folder: Path, kind: Kind, longest: int) -> list[Scene]:
    scenes = []
    for mask in sorted((folder / "masks").iterdir()):
        stem = mask.stem.removesuffix("_fine")
        found = [folder / "images" / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES]
        source = next((path for path in found if path.exists()), None)
        if source is None:
            raise FileNotFoundError(f"no image for the mask {str(mask)!r} beside it")
        image = _read_rgb(source, longest)
        labels = _read_labels(mask, image.shape[:2])
        scenes.append(Scene(image, labels, kind, (1.0, 1.0), f"{folder.name}/{mask.stem}"))
    return scenes


def _volumes(folder: Path) -> list[Scene]:
    import nibabel

    scenes = []
    for path in sorted((folder / "images").glob("*.nii*")):
        source: Any = nibabel.load(path)
        labels: Any = nibabel.load(folder / "labels" / path.name)
        image = _stretch(np.asarray(source.dataobj, dtype=np.float32).T)
        ids = np.asarray(labels.dataobj).astype(np.int32).T
        spacing = tuple(float(s) for s in source.header.get_zooms()[:3])[::-1]
        scenes.append(Scene(image, ids, "volume", spacing, f"{folder.name}/{path.name}"))
    return scenes


def _videos(folder: Path, longest: int) -> list[Scene]:
    scenes = []
    for sequence in sorted(filter(_is_sequence, folder.iterdir())):
        frames = _images(sequence, "video", longest)
        image = np.stack([frame.image for frame in frames])
        labels = np.stack([frame.labels for frame in frames])
        scenes.append(Scene(image, labels, "video", (1.0, 1.0, 1.0), f"davis/{sequence.name}"))
    return scenes


def layout_of(folder: Path) -> Layout | None:
    """Return which layout a folder has, None if none.

    A sequence is told from a 2D set by its frames, whose numbers go up in equal steps.
    """
    if (folder / "images").is_dir():
        if (folder / "labels").is_dir():
            return "volumes"
        return "images" if (folder / "masks").is_dir() else None
    inner = [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []
    return "videos" if inner and all(map(_is_sequence, inner)) else None


def _is_sequence(folder: Path) -> bool:
    if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
        return False
    stems = [p.stem for p in (folder / "images").iterdir()]
    if not all(map(str.isdigit, stems)):
        return False
    return len(set(np.diff(sorted(map(int, stems))).tolist())) == 1


def read_scenes(
    folder: Path, kind: Kind = "instances", *, limit: int | None = None, longest: int = 854
) -> list[Scene]:
    """Read every scene of one data set.

    Parameters
    ----------
    folder : Path
        The data set, in one of the layouts of this module.
    kind : {"instances", "parts", "regions"}
        What the ids of a 2D set mean; volumes and videos are found by their layout.
    limit : int, optional
        Keep this many, evenly spread.
    longest : int
        Larger images are reduced to this many pixels on the longer side.

    Raises
    ------
    FileNotFoundError
        If the folder holds none of the layouts.
    """
    match layout_of(folder):
        case "volumes":
            scenes = _volumes(folder)
        case "images":
            scenes = _images(folder, kind, longest)
        case "videos":
            scenes = _videos(folder, longest)
        case None:
            raise FileNotFoundError(
                f"{str(folder)!r} holds no data set: expected images/ with masks/ or labels/, "
                "or folders of numbered frames that hold images/ and masks/"
            )
    if limit is not None and limit < len(scenes):
        keep = np.linspace(0, len(scenes) - 1, limit).round().astype(int)
        scenes = [scenes[i] for i in keep]
    return scenes
