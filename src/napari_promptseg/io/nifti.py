"""NIfTI files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.lib import recfunctions

from napari_promptseg.data.units import unit_name
from napari_promptseg.io.metadata import Content, Legend, axis_sizes, rescale

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".nii.gz", ".nii")
_UNITS = {"µm": "micron", "mm": "mm", "m": "meter"}


def read(path: Path) -> Content:
    """Read a NIfTI file; one that is neither compressed nor scaled is mapped into memory."""
    import nibabel

    image: Any = nibabel.load(path, mmap="r")
    values = image.dataobj.get_unscaled()
    names = "xyztc"[: values.ndim]
    if values.dtype.fields:
        names += "c"
        values = recfunctions.structured_to_unstructured(values)
    if values.ndim != len(names):
        raise ValueError(f"it has {values.ndim} axes of sizes {values.shape}")
    values = rescale(values, float(image.dataobj.slope), float(image.dataobj.inter))
    for name in "tc":
        if name in names and values.shape[names.index(name)] == 1:
            values = values.squeeze(names.index(name))
            names = names.replace(name, "")
    colour = "c" if "c" in names else ""
    axes = names.removesuffix("c")[::-1] + colour
    # Zooms are float32: by way of their shortest decimal, 0.9 stays 0.9.
    zooms = {n: float(str(z)) for n, z in zip("xyzt", image.header.get_zooms(), strict=False)}
    # Files that do not name a unit are in millimetres by custom.
    unit = image.header.get_xyzt_units()[0]
    return Content(
        values.transpose([names.index(name) for name in axes]),
        axes,
        axis_sizes(axes, zooms),
        "mm" if unit == "unknown" else unit_name(unit),
        np.asarray(image.affine, dtype=np.float64),
    )


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels with the affine of the volume; a series without z gets a z of length 1."""
    import nibabel

    values = labels.T
    if volume.names == "tyx":
        values = values[:, :, None]
    kind: Any = nibabel.Nifti1Image if max(values.shape) < 2**15 else nibabel.Nifti2Image
    image = kind(values, volume.affine)
    if "t" in volume.names:
        image.header.set_zooms((*image.header.get_zooms()[:3], volume.axis_spacing(0)))
    image.header.set_xyzt_units(_UNITS.get(volume.units, "unknown"))
    nibabel.save(image, path)
