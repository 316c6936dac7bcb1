"""Speed and memory of clicks, propagation and import on this machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.evaluation.robot_user import propagate
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_promptseg.models.base import Backend

_CLICKS: Final = 20
_CHUNK: Final = (1, 256, 256)


def ellipsoid_volume(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    """Return a bright noisy ellipsoid in the middle of a dark volume, of any number of axes."""
    rng = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    inside = sum(a**2 for a in axes) < 0.2
    noise = rng.integers(0, 40, shape, dtype=np.uint8)
    return (60 * np.asarray(inside, np.uint8) + 60 + noise).astype(np.uint8)


def click_seconds(backend: str, side: int = 512) -> list[float]:
    """Time clicks on a plane of `side` x `side` pixels, each a first or later click.

    Returns
    -------
    list of float
        Seconds from prompt to mask of 20 clicks, after one that loads the model.
    """
    session = Session(ellipsoid_volume((side, side)), backend)
    rng = np.random.default_rng(0)
    session.add_point((side // 2, side // 2))
    seconds = []
    for count in range(_CLICKS):
        if count % 4 == 0:
            session.discard()
        position = rng.integers(side // 3, 2 * side // 3, 2)
        start_time = time.perf_counter()
        session.add_point(tuple(position.tolist()), positive=count % 4 != 3)
        seconds.append(time.perf_counter() - start_time)
    return seconds


def large_plane_seconds(backend: str | Backend, side: int, rounds: int = 5) -> tuple[float, float]:
    """Time clicks on an object of 200 pixels in the middle of a plane of `side` x `side`.

    Returns
    -------
    (float, float)
        Median seconds of a first click and of a later one; the model is loaded before.
    """
    plane = np.random.default_rng(0).integers(40, 60, (side, side), dtype=np.uint8)
    middle = side // 2
    part = slice(middle - 100, middle + 100)
    plane[part, part] = ellipsoid_volume((200, 200))
    session = Session(plane, backend)
    session.warm_up()
    seconds = []
    for _ in range(rounds):
        session.discard()
        for position in ((middle, middle), (middle + 20, middle - 20)):
            start_time = time.perf_counter()
            session.add_point(position)
            seconds.append(time.perf_counter() - start_time)
    return float(np.median(seconds[::2])), float(np.median(seconds[1::2]))


def planes_per_second(backend: str, side: int = 256, planes: int = 48) -> float:
    """Planes a second of a propagation from the middle of a volume."""
    session = Session(ellipsoid_volume((planes, side, side)), backend)
    session.add_point((planes // 2, side // 2, side // 2))
    return propagate(session).rate


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def first_click_on_zarr(backend: str, planes: int, folder: Path) -> tuple[float, float]:
    """Open a chunked volume of `planes` x 512 x 512 on disk and click once.

    Returns
    -------
    (float, float)
        Seconds of opening and the first click, and mebibytes that it added. The model
        is loaded before.
    """
    import zarr

    store: Any = zarr.create_array(
        folder / f"{planes}.zarr", shape=(planes, 512, 512), chunks=_CHUNK, dtype="uint8"
    )
    plane = ellipsoid_volume((512, 512))
    for index in (planes // 4, planes // 2, 3 * planes // 4):
        store[index] = plane
    warm = Session(plane, backend)
    warm.add_point((256, 256))
    before, start_time = _resident(), time.perf_counter()
    session = Session(zarr.open_array(store.store, mode="r"), warm.loaded_backend)
    session.add_point((planes // 2, 256, 256))
    return time.perf_counter() - start_time, (_resident() - before) / 2**20


def import_seconds() -> tuple[float, list[str]]:
    """Time ``import napari_promptseg`` in a fresh process.

    Returns
    -------
    (float, list of str)
        Seconds, and the heavy modules among torch, napari and Qt that it loaded.
    """
    code = (
        "import sys, time; began = time.perf_counter(); import napari_promptseg; "
        "seconds = time.perf_counter() - began; "
        "heavy = {'torch', 'napari', 'qtpy', 'PyQt6', 'PySide6', 'cv2'} & set(sys.modules); "
        "print(seconds, *sorted(heavy))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return float(output[0]), output[1:]


def measure_speed(
    backend: str, report: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """Run all of this module.

    Parameters
    ----------
    backend : str
        Registered name.
    report : callable
        Called with one line of text a figure.

    Returns
    -------
    dict of str to float
        Figures by name; seconds, planes a second, mebibytes.
    """
    figures: dict[str, float] = {}

    def add(name: str, value: float, unit: str) -> None:
        figures[name] = value
        report(f"{name:36s} {value:9.3f} {unit}")

    add("import", float(np.median([import_seconds()[0] for _ in range(5)])), "s")
    clicks = click_seconds(backend)
    add("click 512x512, median", float(np.median(clicks)), "s")
    add("click 512x512, 95th percentile", float(np.percentile(clicks, 95)), "s")
    small_plane, large_plane = (large_plane_seconds(backend, side) for side in (1024, 8192))
    for name, before, after in zip(("first", "later"), small_plane, large_plane, strict=True):
        add(f"{name} click 8192x8192 to 1024x1024", after / before, "")
    add("propagation 256x256", planes_per_second(backend), "planes/s")
    with tempfile.TemporaryDirectory() as folder:
        first_click_on_zarr(backend, 16, Path(folder))  # so that no figure pays for imports
        small, _ = first_click_on_zarr(backend, 64, Path(folder))
        large, memory = first_click_on_zarr(backend, 512, Path(folder))
    add("first click 64x512x512 zarr", small, "s")
    add("first click 512x512x512 zarr", large, "s")
    add("ratio of the two", large / small, "")
    add("memory of a click on 512x512x512", memory, "MiB")
    return figures
