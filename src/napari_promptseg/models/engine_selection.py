"""Engine selection: ONNX Runtime, or the fastest exact engine that was measured here.

`promptseg engines` measures and remembers. Loading a model never measures: the first click would
wait for it, and PyTorch would be imported.
"""

from __future__ import annotations

import json
import os
import platform
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.models.device import has_torch_for_gpu
from napari_promptseg.models.engines import DEFAULT, ENGINES, Onnx
from napari_promptseg.models.onnx_network import thread_count

if TYPE_CHECKING:
    from napari_promptseg.models.clicknet_weights import ClickNetWeights
    from napari_promptseg.models.engines import Engine

FILE_VARIABLE: Final = "PROMPTSEG_ENGINES"
"""Environment variable that overrides the file of remembered choices."""
VARIABLE: Final = "PROMPTSEG_ENGINE"
"""Environment variable that forces an engine."""
_EXACT: Final = 1e-3
"""Largest deviation of a feature, in standard deviations, of an engine that counts as exact."""
_SIDE: Final = 224
"""Side in pixels of the input that engines are timed with."""
_TURNS, _RUNS = 3, 5
_PAUSE: Final = 0.25  # seconds
_SHARED: Final = ("torchscript", "onnx")
_CANDIDATES: Final = ("channels_last", "torchscript", "onnx")
"""Engines that may be exact."""
_KEPT: Final = 3
_engines: OrderedDict[tuple[str, str, int], Engine] = OrderedDict()
"""Cache of the last engines by name, identity of the weights and number of threads."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Measurement of one engine.

    Parameters
    ----------
    name : str
        Name of the engine.
    milliseconds : float
        Median time of one forward pass.
    difference : float
        Largest deviation of a feature from PyTorch, in standard deviations.
    error : str
        Why it cannot be used; empty if it can.
    """

    name: str
    milliseconds: float = float("inf")
    difference: float = float("inf")
    error: str = ""

    @property
    def right(self) -> bool:
        """True if its features equal those of PyTorch."""
        return not self.error and self.difference <= _EXACT


def try_engines(weights: ClickNetWeights, names: tuple[str, ...] = tuple(ENGINES)) -> list[Trial]:
    """Create and time engines, in turns, so that load on the machine affects all alike.

    Before each turn there is a pause, because idle threads of the previous engine keep
    spinning for a while.

    Parameters
    ----------
    weights : ClickNetWeights
        Weights.
    names : tuple of str
        Keys of `ENGINES`.

    Raises
    ------
    ImportError
        If PyTorch, which they are compared with, is not installed.
    """
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, _SIDE, _SIDE), np.float32)
    prompts = np.zeros((1, 4, _SIDE, _SIDE), np.float32)
    prompts[:, 0, 100:110, 100:110] = 1
    reference = ENGINES["channels_last"](weights)(image, prompts)
    engines: dict[str, Engine] = {}
    trials: dict[str, Trial] = {}
    for name in names:
        try:
            engines[name] = ENGINES[name](weights)
            off = np.abs(engines[name](image, prompts) - reference).max() / reference.std()
            trials[name] = Trial(name, difference=float(off))
        except Exception as error:  # an engine may not work here in any way
            trials[name] = Trial(name, error=str(error) or type(error).__name__)
            engines.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_TURNS):
        for name, engine in engines.items():
            sleep(_PAUSE)
            engine(image, prompts)
            for _ in range(_RUNS):
                start = perf_counter()
                engine(image, prompts)
                times[name].append(1000 * (perf_counter() - start))
    for name, milliseconds in times.items():
        trials[name] = Trial(name, median(milliseconds), trials[name].difference)
    return [trials[name] for name in names]


def fastest(weights: ClickNetWeights, device: str = "cpu") -> tuple[str, Engine]:
    """Return the engine for a device: on the CPU the remembered one, else ONNX Runtime.

    On another device, the network runs in PyTorch where that is installed. `PROMPTSEG_ENGINE`
    overrides the choice for the CPU.

    Parameters
    ----------
    weights : ClickNetWeights
        Weights.
    device : str
        "cpu", "cuda" or "mps".

    Raises
    ------
    ValueError
        If the variable names no engine.
    ImportError
        If the variable names an engine whose package is not installed.
    """
    if device != "cpu":
        if not has_torch_for_gpu():
            return DEFAULT, Onnx(weights, device)
        from napari_promptseg.models.torch_engines import Eager

        return "channels_last", Eager(weights.network(device))
    if override := os.environ.get(VARIABLE):
        if override not in ENGINES:
            raise ValueError(f"{VARIABLE} is {override!r}; valid engines: {list(ENGINES)}")
        return override, _get_engine(override, weights)
    choice = _read_choices().get(_machine())
    if choice in _CANDIDATES and choice != DEFAULT:
        with suppress(Exception):  # a package went away
            return str(choice), _get_engine(str(choice), weights)
    return DEFAULT, _get_engine(DEFAULT, weights)


def remember_fastest(trials: list[Trial]) -> str:
    """Store the fastest exact engine of some trials for this machine; return its name."""
    exact = [t for t in trials if t.right and t.name in _CANDIDATES]
    name = min(exact, key=lambda trial: trial.milliseconds).name if exact else DEFAULT
    _write_choices({**_read_choices(), _machine(): name})
    return name


def _get_engine(name: str, weights: ClickNetWeights) -> Engine:
    """Return an engine; those with a graph of their own are shared between equal networks."""
    if name not in _SHARED:
        return ENGINES[name](weights)
    key = name, weights.identity, thread_count()
    if key not in _engines:
        _engines[key] = ENGINES[name](weights)
        if len(_engines) > _KEPT:
            _engines.popitem(last=False)
    _engines.move_to_end(key)
    return _engines[key]


def _machine() -> str:
    """Return the key of a remembered choice: platform, cores and package versions."""
    packages = []
    for package in ("torch", "onnxruntime"):
        try:
            packages.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            packages.append(f"no {package}")
    cores = f"{os.cpu_count()} cores"
    return ", ".join([platform.machine(), platform.system(), cores, *packages])


def engines_file() -> Path:
    """Return the file of remembered choices."""
    if override := os.environ.get(FILE_VARIABLE):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("napari-promptseg", appauthor=False) / "engines.json"


def _read_choices() -> dict[str, Any]:
    try:
        choices = json.loads(engines_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return choices if isinstance(choices, dict) else {}


def _write_choices(choices: dict[str, Any]) -> None:
    file = engines_file()
    with suppress(OSError):  # not fatal: the engines are measured again next time
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, json.dumps(choices, indent=1).encode())
