"""Training sets on disk: images with integer labels, volumes, and videos.

The layout is found by what a folder holds: ``images/NAME.webp`` with
``masks/NAME.png`` (2D), ``images/NAME.nii.gz`` with ``labels/NAME.nii.gz`` (3D), or
``SEQUENCE/images`` with ``SEQUENCE/masks`` (video).

In masks of 8 bits, 255 beside other ids marks pixels that do not count, as in Pascal VOC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.sampling import spread
from napari_promptseg.training.data.mask_layers import read_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Kind = Literal["instances", "parts", "regions", "classes", "volume", "video"]
Layout = Literal["images", "volumes", "videos"]
UInt8 = NDArray[np.uint8]
T = TypeVar("T")
UNCOUNTED = -1
"""Id of pixels that do not count."""
_VOID = 255
IMAGE_SUFFIXES = (".webp", ".png", ".jpg", ".tif")


@dataclass(frozen=True, slots=True)
class Scene:
    """One image, volume or video with its labels.

    Parameters
    ----------
    image : (H, W, 3) or (T, H, W, 3) uint8 array, or (Z, H, W) uint8 or uint16 array
        Normalised to the full range; volumes have 16 bits, so that windows can be cut from it.
    labels : (H, W) or (Z, H, W) or (T, H, W) integer array
        0 is background, `UNCOUNTED` does not count.
    kind : {"instances", "parts", "regions", "classes", "volume", "video"}
        Meaning of the ids: separate objects; parts whose union is an object too; a
        partition of the whole image whose neighbours may be merged; classes whose pieces
        are objects; organs of a volume; one object in many frames.
    spacing : tuple of float
        Size of a pixel along each axis of `labels`.
    name : str
        Unique in its set.
    upright : bool
        Whether it has an up and a down, as photographs do.
    sam_masks : (L, H, W) uint8 array or None
        Of an image, layers of masks of parts, objects and groups, 0 is none; see `sam_masks`.
    boxes : dict of int to tuple of slice
        Bounding box of each id of a volume, found once; empty for images and videos.
    """

    image: NDArray[Any]
    labels: NDArray[np.signedinteger[Any]]
    kind: Kind
    spacing: tuple[float, ...]
    name: str
    upright: bool = False
    sam_masks: UInt8 | None = None
    boxes: dict[int, tuple[slice, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        boxes: dict[int, tuple[slice, ...]] = {}
        if self.kind == "volume":
            from scipy.ndimage import find_objects

            candidates = find_objects(np.maximum(self.labels, 0))
            boxes = {i: box for i, box in enumerate(candidates, start=1) if box is not None}
        object.__setattr__(self, "boxes", boxes)


def _stretch(data: NDArray[np.floating]) -> NDArray[np.uint16]:
    low, high = np.percentile(data, (0.1, 99.9))
    unit_values = (data - low) / max(float(high - low), 1e-6)
    return np.asarray(np.clip(unit_values, 0, 1) * 65535, np.uint16)


def _read_rgb(path: Path, longest: int) -> UInt8:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise OSError(f"cannot read the image {str(path)!r}")
    scale = longest / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def _read_labels(path: Path, shape: tuple[int, int]) -> NDArray[np.signedinteger[Any]]:
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise OSError(f"cannot read the labels {str(path)!r}")
    if labels.shape != shape:
        labels = cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return _compact(without_void(labels))


def _compact(ids: NDArray[np.int32]) -> NDArray[np.signedinteger[Any]]:
    """Return ids in as few bytes as hold them: many sets are in memory at once."""
    types = (np.int8, np.int16, np.int32)
    fitting = next(kind for kind in types if ids.max(initial=0) <= np.iinfo(kind).max)
    return ids.astype(fitting)


def without_void(ids: NDArray[Any]) -> NDArray[np.int32]:
    """Return ids with `UNCOUNTED` where 8 bits say 255 beside other ids.

    255 is an id like others where it is the only one, as in binary masks, or where 254 is
    there too, as in masks of many instances.
    """
    out = ids.astype(np.int32)
    if ids.dtype == np.uint8:
        present = np.flatnonzero(np.bincount(ids.ravel(), minlength=_VOID + 1)[1:]) + 1
        if len(present) > 1 and present[-1] == _VOID and present[-2] != _VOID - 1:
            out[ids == _VOID] = UNCOUNTED
    return out


@dataclass(frozen=True, slots=True)
class _Files:
    """Image and labels of a scene; `name` is that of the image, which masks may share."""

    name: str
    image: Path
    labels: Path


def _pictures(folder: Path) -> list[_Files]:
    files = []
    for mask in sorted((folder / "masks").iterdir()):
        stem = mask.stem.removesuffix("_fine")
        candidates = [folder / "images" / f"{stem}{suffix}" for suffix in IMAGE_SUFFIXES]
        source = next((path for path in candidates if path.exists()), None)
        if source is None:
            raise FileNotFoundError(f"no image for the mask {str(mask)!r} beside it")
        files.append(_Files(stem, source, mask))
    return files


def _files(folder: Path) -> list[_Files]:
    """List the scenes of a folder without reading them."""
    match layout_of(folder):
        case "volumes":
            images = sorted((folder / "images").glob("*.nii*"))
            return [_Files(p.name.split(".nii")[0], p, folder / "labels" / p.name) for p in images]
        case "images":
            return _pictures(folder)
        case "videos":
            sequences = sorted(filter(_is_sequence, folder.iterdir()))
            return [_Files(path.name, path, path) for path in sequences]
        case None:
            raise FileNotFoundError(
                f"{str(folder)!r} holds no data set: expected images/ with masks/ or labels/, "
                "or folders of numbered frames that hold images/ and masks/"
            )


def _image(
    files: _Files, kind: Kind, longest: int, upright: bool, sam_masks: Path | None = None
) -> Scene:
    image = _read_rgb(files.image, longest)
    labels = _read_labels(files.labels, image.shape[:2])
    layers = None if sam_masks is None else read_layers(sam_masks, files.name, image.shape[:2])
    return Scene(image, labels, kind, (1.0, 1.0), files.labels.stem, upright, layers)


def _volume(files: _Files) -> Scene:
    import nibabel

    source: Any = nibabel.load(files.image)
    labels: Any = nibabel.load(files.labels)
    image = _stretch(np.asarray(source.dataobj, dtype=np.float32).T)
    ids = _compact(np.asarray(labels.dataobj).astype(np.int32).T)
    spacing = tuple(float(s) for s in source.header.get_zooms()[:3])[::-1]
    return Scene(image, ids, "volume", spacing, files.name)


def _video(files: _Files, longest: int, upright: bool) -> Scene:
    frames = [_image(frame, "video", longest, upright) for frame in _pictures(files.image)]
    image = np.stack([frame.image for frame in frames])
    labels = np.stack([frame.labels for frame in frames])
    return Scene(image, labels, "video", (1.0, 1.0, 1.0), files.name, upright)


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
    folder: Path,
    kind: Kind = "instances",
    *,
    choose: Callable[[list[str]], Collection[str]] | None = None,
    limit: int | None = None,
    longest: int = 854,
    upright: bool = False,
    sam_masks: Path | None = None,
) -> list[Scene]:
    """Read every scene of one data set, or some.

    Parameters
    ----------
    folder : Path
        The data set, in one of the layouts of this module.
    kind : {"instances", "parts", "regions", "classes"}
        Meaning of the ids of a 2D set; volumes and videos are found by their layout.
    choose : callable, optional
        From the names of all images, volumes or sequences, without suffix, to those to
        read.
    limit : int, optional
        Keep this many of them, evenly spread.
    longest : int
        Larger images are reduced to this many pixels on the longer side.
    upright : bool
        Whether images and videos have an up and a down.
    sam_masks : Path, optional
        Folder of the masks by SAM of the images; an image may have none.

    Raises
    ------
    FileNotFoundError
        If the folder holds none of the layouts, or there is no folder of masks.
    """
    if sam_masks is not None and not sam_masks.is_dir():
        raise FileNotFoundError(
            f"no folder {str(sam_masks)!r} of masks by SAM; training/sam-masks writes it"
        )
    layout, files = layout_of(folder), _files(folder)
    if choose is not None:
        selection = choose([f.name for f in files])
        files = [f for f in files if f.name in selection]
    files = spread(files, limit)
    if layout == "videos":
        return [_video(f, longest, upright) for f in files]
    if layout == "volumes":
        return [_volume(f) for f in files]
    return [_image(f, kind, longest, upright, sam_masks) for f in files]
