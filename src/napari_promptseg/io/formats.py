"""Table of file formats: suffixes, reader, writer and the extra that each needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.volume import Volume
from napari_promptseg.io import (
    bioimage,
    cellpose,
    coco,
    csv_table,
    ctc,
    dicom,
    dicom_headers,
    dicom_seg,
    geff,
    geojson,
    image_files,
    imagej_rois,
    mesh,
    metaimage,
    nifti,
    nnunet,
    nrrd,
    ome_zarr,
    ome_zarr_labels,
    rtstruct,
    tiff,
    trackmate,
    video,
    yolo,
)
from napari_promptseg.io.metadata import Content, Legend

Reader = Callable[[Path], Content]
SeriesReader = Callable[[Path, str], Content]
Writer = Callable[[Path, NDArray[Any], Volume, Legend], None]


@dataclass(frozen=True, slots=True)
class Format:
    """A family of files with one reader and one writer.

    Parameters
    ----------
    name : str
        Name for people, as in a file dialog.
    suffixes : tuple of str
        Ends of file names, in any case; the first one is the usual one.
    read : callable or None
        Opens an image from a path; None if the format is only written.
    write : callable or None
        Writes labels to a path; None if the format is only read.
    read_series : callable or None
        Opens one of several images in a file, by its number or name.
    pattern : str
        Regular expression of a whole file name, in any case, that decides before suffixes;
        empty for none.
    extra : str or None
        Extra of this distribution that the format needs, as in ``pip install
        'napari-promptseg[video]'``.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Reader | None = None
    write: Writer | None = None
    read_series: SeriesReader | None = None
    extra: str | None = None
    pattern: str = ""


def _read_npy(path: Path) -> Content:
    # Pickled objects could run any code.
    return Content(np.load(path, mmap_mode="r", allow_pickle=False))


def _write_npy(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    np.save(path, labels, allow_pickle=False)


DICOM: Final = Format("DICOM", dicom_headers.SUFFIXES, dicom.read)
OME_ZARR: Final = Format(
    "OME-Zarr", ome_zarr.SUFFIXES, ome_zarr.read, ome_zarr_labels.write, ome_zarr.read
)
IMAGE_FOLDER: Final = Format("Folder of images", (), image_files.read_folder)
FORMATS: Final = (
    Format("NIfTI", nifti.SUFFIXES, nifti.read, nifti.write),
    Format("Analyze, FreeSurfer", nifti.READ_ONLY_SUFFIXES, nifti.read),
    Format("MetaImage", metaimage.SUFFIXES, metaimage.read),
    Format("NRRD", (".nrrd",), nrrd.read, nrrd.write),
    Format("3D Slicer segmentation", (nrrd.SEGMENTATION,), nrrd.read, nrrd.write),
    Format("NRRD header", (".nhdr",), nrrd.read),
    Format("TIFF", tiff.SUFFIXES, tiff.read, tiff.write, tiff.read),
    OME_ZARR,
    Format("DICOM SEG", dicom_seg.SUFFIXES, write=dicom_seg.write),
    DICOM,
    Format("cellpose", cellpose.SUFFIXES, cellpose.read, cellpose.write),
    Format("numpy", (".npy",), _read_npy, _write_npy),
    Format("PNG", (".png",), image_files.read, image_files.write),
    Format("Image", image_files.SUFFIXES, image_files.read),
    Format(
        "Microscope", bioimage.SUFFIXES, bioimage.read, read_series=bioimage.read, extra="bioio"
    ),
    Format("Video", video.SUFFIXES, video.read, extra="video"),
    Format("COCO, run lengths", coco.SUFFIXES, write=coco.write),
    Format("COCO, polygons", coco.POLYGONS, write=coco.write),
    *(Format(f"Mesh {s[1:].upper()}", (s,), write=mesh.write) for s in mesh.SUFFIXES),
    Format("YOLO", yolo.SUFFIXES, write=yolo.write),
    Format("QuPath GeoJSON", geojson.SUFFIXES, write=geojson.write),
    Format("ImageJ ROI set", imagej_rois.SUFFIXES, write=imagej_rois.write, extra="imagej"),
    Format("DICOM RTSTRUCT", rtstruct.SUFFIXES, write=rtstruct.write, pattern=rtstruct.PATTERN),
    Format("nnU-Net data set", (), write=nnunet.write, pattern=nnunet.PATTERN),
    Format("Table of measurements", csv_table.SUFFIXES, write=csv_table.write),
    Format("TrackMate", trackmate.SUFFIXES, write=trackmate.write),
    Format("GEFF, tracks as a graph", geff.SUFFIXES, write=geff.write, extra="tracks"),
    Format("Cell Tracking Challenge", ctc.SUFFIXES, write=ctc.write),
)
"""All formats, in the order of a file dialog."""


def _suffixes(writable: bool) -> tuple[str, ...]:
    entries = (f for f in FORMATS if (f.write if writable else f.read) is not None)
    return tuple(dict.fromkeys(suffix for f in entries for suffix in f.suffixes))


READ_SUFFIXES: Final = _suffixes(writable=False)
"""Suffixes of images; folders of DICOM files or images, and zarr, may have none."""
WRITE_SUFFIXES: Final = _suffixes(writable=True)
"""Suffixes of labels that can be written."""


def find_format(name: str, *, writable: bool = False) -> tuple[Format, str] | None:
    """Return the format of a file name, and the suffix that matches; None if there is none.

    A pattern decides first, then the longest suffix: ``.polygons.json`` before ``.json``.

    Parameters
    ----------
    name : str
        Name of a file or folder.
    writable : bool
        Whether to look for a writer; otherwise for a reader.
    """
    entries = [f for f in FORMATS if (f.write if writable else f.read) is not None]
    for entry in entries:
        if entry.pattern and re.fullmatch(entry.pattern, name, re.IGNORECASE):
            return entry, Path(name).suffix
    matches = [
        (entry, suffix)
        for entry in entries
        for suffix in entry.suffixes
        if name.lower().endswith(suffix.lower())
    ]
    # Of equal suffixes the first format of the table counts.
    return max(matches, key=lambda match: len(match[1]), default=None)


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr store, by its name or its content."""
    name = path.name.lower()
    return name.endswith(ome_zarr.SUFFIXES) or any((path / m).exists() for m in ome_zarr.MARKERS)
