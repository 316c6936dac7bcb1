"""A session on disk: a header, the arrays it began with, and one checked line a step.

The same three parts make a journal (`journal.py`: a folder that grows with
every step) and a saved session (a zip file), so both are read back in one way.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import ArrayLike, Volume, is_url
from napari_promptseg.session.history import Change, History

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

HEADER, HISTORY, IMAGE, LABELS = "header.json", "history.jsonl", "image.npy", "labels.npy"
_FORMAT: Final = 1
_PART: Final = 64 * 2**20  # bytes of a lazy array that are read at a time
_EMBED_LIMIT: Final = 4 * 2**30  # bytes; larger images must have a file of their own


class Done(BaseModel):
    """A change was made."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["done"] = "done"
    change: Change


class Moved(BaseModel):
    """The user went back or forward in history."""

    model_config = ConfigDict(frozen=True)
    kind: Literal["undo", "redo"]


class Part(BaseModel):
    """A propagation goes on: what it wrote since the part before, for the case of a kill.

    The change that it is in the end, a `Done`, holds all of it again and takes the place of
    its parts.
    """

    model_config = ConfigDict(frozen=True)
    kind: Literal["part"] = "part"
    change: Change


Arrays = dict[str, ArrayLike | None]
"""Arrays by the name of their part; None is left out."""

Record = Done | Moved
"""What a history is made of."""
Line = Record | Part
"""What a journal may hold."""
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


class Header(BaseModel):
    """What a session was opened on.

    Parameters
    ----------
    format : int
        Version of this layout.
    backend, model : str
        Name of the backend, and its identity if it was loaded.
    axes, spacing, units, affine, window, channels, source
        See `Volume`.
    shape, dtype
        Of the image, which must be the same when it is opened again.
    pixels : str, optional
        Hash of some of its pixels, by which it is known again; see `Volume.fingerprint`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = _FORMAT
    backend: str
    model: str | None = None
    axes: str
    spacing: tuple[float, ...]
    units: str
    affine: list[list[float]]
    window: tuple[float, float] | None = None
    channels: tuple[int, ...] | None = None
    source: str | None = None
    shape: tuple[int, ...]
    dtype: str
    pixels: str | None = None

    @classmethod
    def describe(
        cls, volume: Volume, backend: str, model: str | None, pixels: str | None = None
    ) -> Header:
        """Make the header of a volume."""
        window = volume.window
        assert volume.affine is not None
        assert volume.spacing is not None
        return cls(
            backend=backend,
            model=model,
            axes=volume.axes,
            spacing=tuple(volume.spacing),
            units=volume.units,
            affine=volume.affine.tolist(),
            window=(window.low, window.high) if isinstance(window, Window) else None,
            channels=None if volume.channels is None else tuple(volume.channels),
            source=volume.source,
            shape=tuple(volume.data.shape),
            dtype=np.dtype(volume.data.dtype).str,
            pixels=pixels,
        )

    def volume(self, data: Any, levels: Sequence[ArrayLike] = ()) -> Volume:
        """Put the geometry back on an array.

        Raises
        ------
        ValueError
            If the array has another shape or type than the one of the session.
        """
        if tuple(data.shape) != self.shape or np.dtype(data.dtype) != np.dtype(self.dtype):
            raise ValueError(
                f"the session was made on an image of shape {self.shape} and type {self.dtype}, "
                f"got {tuple(data.shape)} and {np.dtype(data.dtype).str}"
            )
        return Volume(
            data,
            axes=self.axes,
            spacing=self.spacing,
            units=self.units,
            affine=np.array(self.affine),
            window=None if self.window is None else Window(*self.window),
            channels=self.channels,
            source=self.source,
            levels=levels,
        )


class Container(Protocol):
    """Where the parts of a session lie: a folder or a zip file."""

    path: Path

    def names(self) -> set[str]:
        """Return the names of the parts."""

    def open(self, name: str) -> IO[bytes]:
        """Open a part for reading."""


class Folder:
    """Parts as files of a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """See `Container`."""
        return {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()

    def open(self, name: str) -> IO[bytes]:
        """See `Container`."""
        return (self.path / name).open("rb")


class Archive:
    """Parts as members of a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> set[str]:
        """See `Container`."""
        with zipfile.ZipFile(self.path) as archive:
            return set(archive.namelist())

    def open(self, name: str) -> IO[bytes]:
        """See `Container`."""
        return zipfile.ZipFile(self.path).open(name)


@contextmanager
def corrupt_file_errors(path: Path) -> Iterator[None]:
    """Raise a `ValueError` that names the file for whatever its content makes go wrong."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error


_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
)
"""What reading raises for parts that are not what they should be, beside `ValueError`."""


def from_history(history: History) -> list[Record]:
    """Return the records that bring a new session to the same history."""
    steps: list[Record] = [Done(change=c) for c in (*history.done, *reversed(history.undone))]
    return steps + [Moved(kind="undo")] * len(history.undone)


def encode_record(record: Line) -> bytes:
    """Return a record as one line: its CRC-32, a blank, its JSON."""
    body = _LINES.dump_json(record)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def read_records(lines: IO[bytes]) -> Iterator[Record]:
    """Read records up to the first line that is cut or damaged.

    Parts of a propagation that did not come to its end become one change.
    """
    parts: list[Change] = []
    for line in _whole_lines(lines):
        if isinstance(line, Part):
            parts.append(line.change)
            continue
        if parts and not _ends(line, parts):
            yield _joined(parts)
        parts = []
        yield line
    if parts:
        yield _joined(parts)


def _whole_lines(lines: IO[bytes]) -> Iterator[Line]:
    for line in lines:
        check, _, body = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n") or b"%08x" % zlib.crc32(body) != check:
            return
        yield _LINES.validate_json(body)


def _ends(line: Record, parts: Sequence[Change]) -> bool:
    """Whether a line is the change that parts are the beginning of."""
    if not isinstance(line, Done):
        return False
    return (line.change.name, line.change.draft[0]) == (parts[-1].name, parts[-1].draft[0])


def _joined(parts: Sequence[Change]) -> Done:
    patches = tuple(patch for part in parts for patch in part.patches)
    return Done(change=replace(parts[-1], patches=patches))


def read_header(container: Container) -> Header:
    """Read the header.

    Raises
    ------
    ValueError
        If there is none, or it is of another version or damaged.
    """
    if HEADER not in container.names():
        raise ValueError(f"no session: {HEADER!r} is missing, found {sorted(container.names())}")
    with container.open(HEADER) as file:
        return Header.model_validate_json(file.read())


def read_array(container: Container, name: str) -> NDArray[Any] | None:
    """Read one of the arrays, None if it is not there."""
    if name not in container.names():
        return None
    with container.open(name) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_volume(container: Container, header: Header, volume: Any = None) -> Volume:
    """Return the image of a session: the given one, the embedded one, or its source.

    Raises
    ------
    FileNotFoundError
        If the image is neither given nor embedded, and its source is gone.
    ValueError
        If it is another image than that of the session.
    """
    if volume is None:
        volume = read_array(container, IMAGE)
    if volume is None:
        from napari_promptseg.io.read import open_volume

        if header.source is None or not (is_url(header.source) or Path(header.source).exists()):
            raise FileNotFoundError(
                f"the image {header.source!r} of the session is not there; pass volume="
            )
        volume = open_volume(header.source)
    if isinstance(volume, Volume):
        return header.volume(volume.data, volume.levels)
    return header.volume(volume)


def embedded_image(volume: Volume) -> ArrayLike | None:
    """Return the pixels that must travel with the session; None if its source can be reopened.

    Raises
    ------
    ValueError
        If the image has no file of its own and is too large to be stored twice.
    """
    source = volume.source
    if source is not None and (is_url(source) or Path(source).exists()):
        return None
    dtype = np.dtype(volume.data.dtype)
    size = int(np.prod(volume.data.shape, dtype=np.int64)) * dtype.itemsize
    if size > _EMBED_LIMIT:
        raise ValueError(
            f"the image has {size} bytes and no file: write it to a file and open that, "
            "so that the session can refer to it"
        )
    return volume.data


def _make_room(path: Path, versions: int) -> None:
    """Rename former files; what is to be replaced stays where it is, and is number 1 as well."""
    if versions < 1 or not path.exists():
        return
    former = [path.with_name(f"{path.stem}.{n}{path.suffix}") for n in range(1, versions + 1)]
    for newer, older in reversed([*pairwise(former)]):
        if newer.exists():
            newer.replace(older)
    try:
        os.link(path, former[0])
    except OSError:  # a file system without links
        shutil.copyfile(path, former[0])


def write_array(file: IO[bytes], array: ArrayLike) -> None:
    """Write an array in the format of `numpy.save`, a lazy one part by part."""
    dtype, shape = np.dtype(array.dtype), tuple(int(n) for n in array.shape)
    np.lib.format.write_array_header_2_0(
        file,
        {
            "descr": np.lib.format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": shape,
        },
    )
    step = max(1, _PART * shape[0] // max(int(np.prod(shape)) * dtype.itemsize, 1))
    for start in range(0, shape[0], step):
        file.write(np.asarray(array[start : start + step], dtype).tobytes())


def write_archive(
    path: Path,
    header: Header,
    arrays: Arrays,
    records: Sequence[Record],
    versions: int = 0,
) -> None:
    """Write a saved session; a failure leaves what was there before.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        What the session was opened on.
    arrays : dict
        Arrays by the name of their part; None is left out.
    records : sequence of Record
        All steps.
    versions : int
        Former files that stay beside it.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(HEADER, header.model_dump_json())
            archive.writestr(HISTORY, b"".join(map(encode_record, records)))
            for name, array in arrays.items():
                if array is not None:
                    with archive.open(name, "w", force_zip64=True) as file:
                        write_array(file, array)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        _make_room(path, versions)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
