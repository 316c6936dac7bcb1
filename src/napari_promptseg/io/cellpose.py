"""Files of cellpose: the masks that its graphical interface stores (``_seg.npy``)."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.io.metadata import Content

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = ("_seg.npy",)
_ALLOWED: Final = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ),
}
"""Names that such a file may refer to, all of which make arrays and bytes."""


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler of arrays in built-in containers, which calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"it refers to {module}.{name}, and is no file of cellpose")
        return super().find_class(module, name)


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write the masks and their outlines as the graphical interface of cellpose stores them.

    Raises
    ------
    ValueError
        If there is a time axis.
    """
    from skimage.segmentation import find_boundaries

    if "t" in volume.names:
        raise ValueError(f"cellpose holds images and volumes, these axes are {volume.names!r}")
    highest = int(labels.max(initial=0))
    masks = labels.astype(np.uint16 if highest < 2**16 else np.uint32)
    planes = masks.reshape(-1, *masks.shape[-2:])
    edges = np.stack([find_boundaries(plane, mode="inner") for plane in planes])
    content = {
        "masks": masks,
        "outlines": masks * edges.reshape(masks.shape),
        "filename": volume.source or "",
        "chan_choose": [0, 0],
        "ismanual": np.ones(highest, bool),
        "flows": [],
        "est_diam": 0.0,
    }
    # A dictionary in an array without axes, as numpy stores what is no array.
    np.save(path, np.array(content, object), allow_pickle=True)


def read(path: Path) -> Content:
    """Read the masks; nothing that the pickled content names is called but what makes arrays.

    Raises
    ------
    ValueError
        If it is no such file.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        newer = version != (1, 0)
        header = (np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0)[newer]
        _, _, dtype = header(file)
        if dtype != np.dtype(object):
            return Content(np.load(path, mmap_mode="r", allow_pickle=False))
        content = _ArrayUnpickler(file).load()
    if isinstance(content, np.ndarray) and content.size == 1:
        content = content.item()
    if not isinstance(content, dict) or "masks" not in content:
        raise ValueError("it holds no masks, and is no file of cellpose")
    masks = np.asarray(content["masks"])
    if masks.dtype.kind not in "bui" or masks.ndim not in (2, 3):
        raise ValueError(f"its masks are {masks.dtype} of shape {masks.shape}, and no labels")
    return Content(masks, "yx" if masks.ndim == 2 else "zyx")
