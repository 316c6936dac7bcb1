"""Objects of unlabelled images: regions that look alike and differ from what is around them.

Segmentation networks learn what borders are from such masks before they see a label, as
with the superpixels of Ouyang et al. 2020 (arXiv:2007.09886).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from napari_promptseg.data.geometry import plane_by_index
from napari_promptseg.data.sampling import spread
from napari_promptseg.io.formats import READ_SUFFIXES
from napari_promptseg.io.read import open_volume
from napari_promptseg.training.data.examples import image_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    UInt8 = NDArray[np.uint8]

_LONGEST: Final = 320
"""Larger planes are reduced to this many pixels on the longer side."""
_PLANES: Final = 12
"""Planes of a volume or video that are taken."""
_GRAIN: Final = (40.0, 250.0)
"""Scales of the over-segmentation (Felzenszwalb and Huttenlocher 2004), fine and coarse."""
_ALIKE: Final = 0.06
"""Difference of mean color, of the range of the image, below which neighbours merge."""


def find_regions(image: UInt8, grain: float) -> NDArray[np.int32]:
    """Cut an image into regions, and merge those that look alike.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The image.
    grain : float
        Larger values make larger regions.

    Returns
    -------
    (H, W) int32 array
        Numbers of the regions, from 1 on; every pixel is in one.
    """
    from skimage.graph import cut_threshold, rag_mean_color
    from skimage.segmentation import felzenszwalb, relabel_sequential

    smallest = max(24, image.shape[0] * image.shape[1] // 4000)
    pieces = felzenszwalb(image, scale=grain, sigma=0.8, min_size=smallest)
    contrast = float(np.ptp(np.percentile(image, (1, 99))))
    graph = rag_mean_color(image.astype(np.float32), pieces)
    segments = cut_threshold(pieces, graph, max(contrast, 1.0) * _ALIKE)
    numbers, *_ = relabel_sequential(segments + 1)
    return np.asarray(numbers, np.int32)


def write_pseudo_set(
    folder: Path, output: Path, report: Callable[[str], None] = lambda line: None
) -> int:
    """Write the planes of unlabelled images with their regions, as a data set of regions.

    Planes that are there already are left, so that a stopped run goes on.

    Parameters
    ----------
    folder : Path
        Of anything that `open_volume` reads, at any depth.
    output : Path
        Folder of the set; see `napari_promptseg.training.data.datasets`.
    report : callable
        Called with lines of progress.

    Returns
    -------
    int
        How many planes the set has.

    Raises
    ------
    FileNotFoundError
        If there is no image.
    """
    files = list(image_files(folder))
    if not files:
        raise FileNotFoundError(
            f"{str(folder)!r} holds no image; valid: {', '.join(READ_SUFFIXES)}"
        )
    for part in ("images", "masks"):
        (output / part).mkdir(parents=True, exist_ok=True)
    plane_count = 0
    for number, file in enumerate(files, start=1):
        name = "_".join(file.relative_to(folder).parts).replace(".", "_")
        try:
            for index, image in _planes(file):
                _write(output, f"{name}_{index:05d}", image)
                plane_count += 1
        except (ValueError, OSError) as error:
            report(f"left out: {error}")
        if number % 50 == 0 or number == len(files):
            report(f"regions of {number}/{len(files)} files, {plane_count} planes")
    if not plane_count:
        raise FileNotFoundError(f"no image of {str(folder)!r} could be read")
    return plane_count


def _planes(file: Path) -> Iterator[tuple[int, UInt8]]:
    """Yield planes of a file with their index, as colors."""
    volume = open_volume(file)
    flat = len(volume.names) == 2
    count = 1 if flat else volume.shape[len(volume.names) - 3]
    middle = tuple(n // 2 for n in volume.shape[: max(len(volume.names) - 3, 0)])
    for index in spread(range(count), _PLANES):
        plane = volume.plane(plane_by_index(volume.names, volume.shape, (*middle, index)))
        factor = min(1.0, _LONGEST / max(plane.shape))
        rows, columns = (max(1, round(n * factor)) for n in plane.shape)
        image = np.rint(plane.rgb((rows, columns)) * 255).astype(np.uint8)
        if image.std() > 1:  # nothing is to be learnt from a blank plane
            yield index, image


def _write(output: Path, name: str, image: UInt8) -> None:
    last = output / "masks" / f"{name}_fine.png"
    if last.exists():
        return
    cv2.imwrite(str(output / "images" / f"{name}.png"), image[..., ::-1])
    for end, grain in zip(("", "_fine"), _GRAIN[::-1], strict=True):
        regions = find_regions(image, grain).astype(np.uint16)
        cv2.imwrite(str(output / "masks" / f"{name}{end}.png"), regions)
