"""Tracks in the format of the Cell Tracking Challenge: masks by time point, and a table.

A folder holds ``mask000.tif``, ``mask001.tif``, ... with labels of 16 bits, and
``res_track.txt`` with a line "L B E P" a track: label, first and last time point, label of
the parent or 0. Reference tracks have the names ``man_track000.tif`` and
``man_track.txt``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.io.metadata import Legend
from napari_promptseg.measure.tracks import Track, find_tracks, label_frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume

SUFFIXES: Final = ("_RES",)
"""Suffix of the folder name; that of the first sequence of a data set is ``01_RES``."""
_LARGEST: Final = 2**16 - 1
_TABLES: Final = {"res_track.txt": "mask", "man_track.txt": "man_track"}
"""File name prefix of the masks by the name of the table."""


def write(
    path: Path,
    labels: NDArray[Any],
    volume: Volume,
    legend: Legend,
) -> None:
    """Write the labels of a time series as tracks.

    An object that is gone for some time points becomes several tracks; see `find_tracks`.
    Names have no place in the format.

    Parameters
    ----------
    path : Path
        The folder to make.
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        Objects keep their label over time.
    volume, legend
        See `write_labels`.

    Raises
    ------
    ValueError
        If there is no time axis, a label is too large, or a parent has no pixel or ends
        after its daughter begins.
    """
    if "t" not in volume.names:
        raise ValueError(f"tracks need a time axis, these labels have axes {volume.names!r}")
    tracks = find_tracks(label_frames(labels), legend.parents)
    largest = max((track.label for track in tracks), default=0)
    if largest > _LARGEST:
        raise ValueError(f"tracks have labels up to {_LARGEST}, the largest here is {largest}")
    path.mkdir()
    digits = max(3, len(str(len(labels) - 1)))
    for t, frame in enumerate(labels):
        _write_mask(path / f"mask{t:0{digits}d}.tif", _relabelled(frame, tracks, t))
    rows = (f"{k.label} {k.begin} {k.end} {k.parent}\n" for k in tracks)
    (path / "res_track.txt").write_text("".join(rows), encoding="ascii")


def _relabelled(frame: NDArray[Any], tracks: Sequence[Track], t: int) -> NDArray[np.uint16]:
    table = np.zeros(int(frame.max()) + 1, np.uint16)
    for track in tracks:
        if track.begin <= t <= track.end:
            table[track.source] = track.label
    track_ids: NDArray[np.uint16] = table[frame]
    return track_ids


def _write_mask(path: Path, mask: NDArray[np.uint16]) -> None:
    import tifffile

    tifffile.imwrite(path, mask, photometric="minisblack", compression="zlib")


def read(path: Path) -> tuple[NDArray[Any], dict[int, int]]:
    """Read tracks and check that masks and table agree.

    Parameters
    ----------
    path : Path
        Folder of results or of reference tracks.

    Returns
    -------
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        A label a track.
    parents : dict of int to int
        Label of the parent by that of the daughter, of the tracks that have one.

    Raises
    ------
    FileNotFoundError
        If there is no table, or no mask.
    ValueError
        If a line is malformed, a track is missing in a mask or in the table, or a parent
        does not end before its daughter begins.
    """
    import tifffile

    table = next((name for name in _TABLES if (path / name).is_file()), None)
    if table is None:
        raise FileNotFoundError(f"no tracks in {path}: expected one of {', '.join(_TABLES)}")
    files = sorted(path.glob(f"{_TABLES[table]}*.tif"))
    if not files:
        raise FileNotFoundError(f"no masks {_TABLES[table]}*.tif in {path}")
    labels = np.stack([tifffile.imread(file) for file in files])
    rows = [_row(line, table) for line in (path / table).read_text().splitlines() if line.strip()]
    parents = {label: parent for label, _, _, parent in rows if parent}
    tracks = find_tracks(label_frames(labels), parents)
    spans = sorted((k.label, k.begin, k.end, k.parent) for k in tracks)
    if spans != sorted(rows):
        odd = sorted(set(spans) ^ set(rows))[0]
        kind = "masks" if odd in spans else table
        raise ValueError(
            f"masks and {table} in {path} differ: {kind} alone say that track {odd[0]} goes "
            f"from {odd[1]} to {odd[2]} and has parent {odd[3]}"
        )
    return labels, parents


def _row(line: str, table: str) -> tuple[int, int, int, int]:
    try:
        label, begin, end, parent = (int(entry) for entry in line.split())
    except ValueError as error:
        raise ValueError(f"{table}: {line!r} is not four integers L B E P") from error
    return label, begin, end, parent


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of tracks."""
    return any((path / table).is_file() for table in _TABLES)


def read_labels(path: Path, volume: Volume) -> tuple[NDArray[Any], Legend]:
    """Read tracks as labels of a series, with their parents; see `read`.

    Raises
    ------
    ValueError
        As `read`, and if they have another shape than the series.
    """
    labels, parents = read(path)
    if labels.shape != volume.shape:
        raise ValueError(f"masks of shape {labels.shape}, the series has {volume.shape}")
    return labels, Legend(parents=parents)
