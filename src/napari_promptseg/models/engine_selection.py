"""Engine selection: the fastest exact inference engine, measured once per machine."""

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
import torch

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.models.engines import ENGINES, SIDE, Eager

if TYPE_CHECKING:
    from napari_promptseg.models.engines import Engine
    from napari_promptseg.models.networks.clicknet import ClickNet

FILE_VARIABLE: Final = "PROMPTSEG_ENGINES"
"""Environment variable that overrides the file of remembered choices."""
VARIABLE: Final = "PROMPTSEG_ENGINE"
"""Environment variable that forces an engine."""
_EXACT: Final = 1e-3
"""Largest deviation of a feature, in standard deviations, of an engine that counts as exact."""
_TURNS, _RUNS = 3, 5
_PAUSE: Final = 0.25  # seconds
_SHARED: Final = ("torchscript", "onnx")
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


def try_engines(net: ClickNet, names: tuple[str, ...] = tuple(ENGINES)) -> list[Trial]:
    """Create and time engines, in turns, so that load on the machine affects all alike.

    Before each turn there is a pause, because idle threads of the previous engine keep
    spinning for a while.

    Parameters
    ----------
    net : ClickNet
        The network, on the CPU; unchanged.
    names : tuple of str
        Keys of `ENGINES`.
    """
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, SIDE, SIDE), np.float32)
    prompts = np.zeros((1, 4, SIDE, SIDE), np.float32)
    prompts[:, 0, 100:110, 100:110] = 1
    reference = Eager(net)(image, prompts)
    engines: dict[str, Engine] = {}
    trials: dict[str, Trial] = {}
    for name in names:
        try:
            engines[name] = ENGINES[name](net)
            off = (engines[name](image, prompts) - reference).abs().max() / reference.std()
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


def fastest(net: ClickNet, identity: str) -> tuple[str, Engine]:
    """Return the fastest exact engine on this machine, measured once and remembered.

    A network on another device than the CPU runs in PyTorch. `PROMPTSEG_ENGINE` overrides
    the choice.

    Parameters
    ----------
    net : ClickNet
        The network.
    identity : str
        Identity of its weights.

    Raises
    ------
    ValueError
        If the variable names no engine.
    """
    if next(net.parameters()).device.type != "cpu":
        return "channels_last", Eager(net)
    override = os.environ.get(VARIABLE)
    if override:
        if override not in ENGINES:
            raise ValueError(f"{VARIABLE} is {override!r}; valid engines: {list(ENGINES)}")
        return override, _get_engine(override, net, identity)
    choices = _read_choices()
    key = _machine()
    if choices.get(key) in ENGINES:
        name = str(choices[key])
        try:
            return name, _get_engine(name, net, identity)
        except Exception:  # a package went away: find another one
            choices.pop(key)
    trials = [t for t in try_engines(net, ("channels_last", "torchscript", "onnx")) if t.right]
    name = min(trials, key=lambda trial: trial.milliseconds).name if trials else "channels_last"
    _write_choices({**choices, key: name})
    return name, _get_engine(name, net, identity)


def _get_engine(name: str, net: ClickNet, identity: str) -> Engine:
    """Return an engine; those with a graph of their own are shared between equal networks."""
    if name not in _SHARED:
        return ENGINES[name](net)
    key = name, identity, torch.get_num_threads()
    if key not in _engines:
        _engines[key] = ENGINES[name](net)
        if len(_engines) > _KEPT:
            _engines.popitem(last=False)
    _engines.move_to_end(key)
    return _engines[key]


def _machine() -> str:
    """Return the key of a remembered choice: platform, threads and package versions."""
    packages = []
    for package in ("torch", "onnxruntime", "onnx"):
        try:
            packages.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            packages.append(f"no {package}")
    cores = torch.get_num_threads()
    return ", ".join([platform.machine(), platform.system(), f"{cores} threads", *packages])


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
