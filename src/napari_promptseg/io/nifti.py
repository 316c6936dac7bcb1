"""NIfTI, Analyze and FreeSurfer MGH files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.lib import recfunctions

from napari_promptseg.data.units import seconds, unit_name, unit_ratio
from napari_promptseg.data.volume import FACTS, ORIENTATION, SPACING
from napari_promptseg.io.metadata import Content, Legend, axis_sizes, rescale, world

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = (".nii.gz", ".nii")
READ_ONLY_SUFFIXES: Final = (".hdr", ".img", ".img.gz", ".mgz", ".mgh")
_UNITS = {"µm": "micron", "mm": "mm", "m": "meter"}
_SCANNER: Final = 1  # code of scanner coordinates
_SAME: Final = 1e-3  # of the spacing, between the two affines of a file


def read(path: Path) -> Content:
    """Read a file; one that is neither compressed nor scaled is mapped into memory.

    The affine is the sform where its code is positive, else the qform. A file where both
    codes are 0 states a spacing alone.
    """
    import nibabel

    image: Any = nibabel.load(path, mmap="r")
    if isinstance(image, nibabel.Cifti2Image):
        raise ValueError(
            "it is CIFTI, values of points on the brain and no volume; convert it with wb_command "
            "-cifti-separate"
        )
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
    color = "c" if "c" in names else ""
    axes = names.removesuffix("c")[::-1] + color
    # Zooms are float32: by way of their shortest decimal, 0.9 stays 0.9.
    zooms = {n: float(str(z)) for n, z in zip("xyzt", image.header.get_zooms(), strict=False)}
    if "t" in zooms and hasattr(image.header, "get_xyzt_units"):
        zooms["t"] *= seconds(image.header.get_xyzt_units()[1])
    unit, notes = _unit(image)
    has_place = _has_place(image)
    notes += _form_notes(image)
    return Content(
        values.transpose([names.index(name) for name in axes]),
        axes,
        axis_sizes(axes, zooms),
        unit,
        np.asarray(image.affine, dtype=np.float64) if has_place else None,
        facts=frozenset(FACTS if has_place else {SPACING}),
        notes=notes,
    )


def _unit(image: Any) -> tuple[str, tuple[str, ...]]:
    """Return the unit of length; millimetres by custom where a file names none."""
    if not hasattr(image.header, "get_xyzt_units"):  # MGH has a fixed unit, Analyze names none
        return "mm", ()
    unit = image.header.get_xyzt_units()[0]
    if unit != "unknown":
        return unit_name(unit), ()
    return "mm", ("the file names no unit of length; mm is assumed, as is the custom",)


def _has_place(image: Any) -> bool:
    if not hasattr(image, "get_sform"):
        return not type(image).__name__.startswith(("Analyze", "Spm"))
    return bool(image.get_sform(coded=True)[1] or image.get_qform(coded=True)[1])


def _form_notes(image: Any) -> tuple[str, ...]:
    if not _has_place(image):
        return ("the file states neither orientation nor position (qform and sform code 0)",)
    if not hasattr(image, "get_sform"):
        return ()
    (sform, code), (qform, other) = image.get_sform(coded=True), image.get_qform(coded=True)
    if code and other and np.abs(sform - qform).max() > _SAME * np.abs(qform[:3, :3]).max():
        return (f"sform (code {code}) and qform (code {other}) differ; the sform is used",)
    return ()


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write labels with the geometry of the volume; a series without z gets a z of length 1.

    Labels of a NIfTI image get its qform, sform and both codes, so that readers that prefer
    one or the other find image and labels at one place. Sizes in units that the format does
    not know become millimetres.
    """
    import nibabel

    values = labels.T
    if volume.names == "tyx":
        values = values[:, :, None]
    unit = unit_name(volume.units)
    if unit not in _UNITS and unit_ratio(unit, "mm"):
        unit = "mm"
    affine = world(volume, unit)
    kind: Any = nibabel.Nifti1Image if max(values.shape) < 2**15 else nibabel.Nifti2Image
    image = kind(values, affine)
    _set_forms(image, affine, volume)
    if "t" in volume.names:
        image.header.set_zooms((*image.header.get_zooms()[:3], volume.axis_spacing(0)))
    time = "sec" if "t" in volume.names else None
    image.header.set_xyzt_units(_UNITS.get(unit, "unknown"), time)
    nibabel.save(image, path)


def _set_forms(image: Any, affine: NDArray[np.float64], volume: Volume) -> None:
    source = _source_image(volume)
    if source is not None:
        (sform, code), (qform, other) = source.get_sform(coded=True), source.get_qform(coded=True)
        image.set_sform(sform, code)
        image.set_qform(qform, other)
    elif not volume.states(ORIENTATION):
        image.set_sform(affine, 0)
        image.set_qform(affine, 0)
    else:
        steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
        upright = np.allclose(steps.T @ steps, np.eye(3), atol=1e-6)
        image.set_sform(affine, _SCANNER)
        # A qform cannot hold shear.
        image.set_qform(affine, _SCANNER if upright else 0)


def _source_image(volume: Volume) -> Any:
    """Return the NIfTI file that a volume was opened from, if it has the same affine still."""
    import nibabel

    path = Path(volume.source or "")
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return None
    try:
        image: Any = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, OSError):
        return None
    # An affine that the caller stated differs from that of the file.
    assert volume.affine is not None
    same = _has_place(image) and np.allclose(image.affine, volume.affine, rtol=1e-6, atol=1e-6)
    return image if same else None
