"""Which engine is the fastest one that is right on this machine; it is remembered."""

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

from napari_promptseg.models.engines import ENGINES, SIDE, Eager

if TYPE_CHECKING:
    from napari_promptseg.models.engines import Engine
    from napari_promptseg.models.networks.clicknet import ClickNet

FILE_VARIABLE: Final = "PROMPTSEG_ENGINES"
"""Environment variable that names another file for what is remembered."""
VARIABLE: Final = "PROMPTSEG_ENGINE"
"""Environment variable that names the engine to use, whatever is faster."""
_EXACT: Final = 1e-3
"""Largest difference of a feature, relative to their spread, of an engine that is right."""
_TURNS, _RUNS = 3, 5
_PAUSE: Final = 0.25  # seconds
_SHARED: Final = ("torchscript", "onnx")
_KEPT: Final = 3
_engines: OrderedDict[tuple[str, str, int], Engine] = OrderedDict()
"""The last ones that were made, by name, weights and threads."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How an engine did.

    Parameters
    ----------
    name : str
        Of the engine.
    milliseconds : float
        Median of one look.
    difference : float
        Largest one of a feature to those of PyTorch, by their spread.
    error : str
        Why it cannot be used; empty if it can.
    """

    name: str
    milliseconds: float = float("inf")
    difference: float = float("inf")
    error: str = ""

    @property
    def right(self) -> bool:
        """Whether its answers are those of PyTorch."""
        return not self.error and self.difference <= _EXACT


def try_engines(net: ClickNet, names: tuple[str, ...] = tuple(ENGINES)) -> list[Trial]:
    """Make each engine and measure it, in turns, so that a busy moment is one for all.

    Before each turn there is a pause: threads of the engine before wait by spinning for a while.

    Parameters
    ----------
    net : ClickNet
        On the CPU; stays as it is.
    names : tuple of str
        Of `ENGINES`.
    """
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, SIDE, SIDE), np.float32)
    prompts = np.zeros((1, 4, SIDE, SIDE), np.float32)
    prompts[:, 0, 100:110, 100:110] = 1
    wanted = Eager(net)(image, prompts)
    made: dict[str, Engine] = {}
    trials: dict[str, Trial] = {}
    for name in names:
        try:
            made[name] = ENGINES[name](net)
            off = (made[name](image, prompts) - wanted).abs().max() / wanted.std()
            trials[name] = Trial(name, difference=float(off))
        except Exception as error:  # an engine may not work here in any way
            trials[name] = Trial(name, error=str(error) or type(error).__name__)
            made.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(_TURNS):
        for name, engine in made.items():
            sleep(_PAUSE)
            engine(image, prompts)
            for _ in range(_RUNS):
                began = perf_counter()
                engine(image, prompts)
                times[name].append(1000 * (perf_counter() - began))
    for name, taken in times.items():
        trials[name] = Trial(name, median(taken), trials[name].difference)
    return [trials[name] for name in names]


def fastest(net: ClickNet, identity: str) -> tuple[str, Engine]:
    """Return the fastest engine that is right on this machine, found once and remembered.

    A network elsewhere than on the CPU runs as it is. `PROMPTSEG_ENGINE` decides where it is
    set.

    Parameters
    ----------
    net : ClickNet
        The network.
    identity : str
        Of its weights.

    Raises
    ------
    ValueError
        If the variable names no engine.
    """
    if next(net.parameters()).device.type != "cpu":
        return "channels_last", Eager(net)
    forced = os.environ.get(VARIABLE)
    if forced:
        if forced not in ENGINES:
            raise ValueError(f"{VARIABLE} is {forced!r}; valid engines: {list(ENGINES)}")
        return forced, _made(forced, net, identity)
    known = _remembered()
    key = _machine()
    if known.get(key) in ENGINES:
        name = str(known[key])
        try:
            return name, _made(name, net, identity)
        except Exception:  # a package went away: find another one
            known.pop(key)
    trials = [t for t in try_engines(net, ("channels_last", "torchscript", "onnx")) if t.right]
    name = min(trials, key=lambda trial: trial.milliseconds).name if trials else "channels_last"
    _remember({**known, key: name})
    return name, _made(name, net, identity)


def _made(name: str, net: ClickNet, identity: str) -> Engine:
    """Make an engine; those of a graph of their own are shared by networks that are the same."""
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
    """Return what the choice depends on."""
    packages = []
    for package in ("torch", "onnxruntime", "onnx"):
        try:
            packages.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            packages.append(f"no {package}")
    cores = torch.get_num_threads()
    return ", ".join([platform.machine(), platform.system(), f"{cores} threads", *packages])


def engines_file() -> Path:
    """Return where choices are remembered."""
    if given := os.environ.get(FILE_VARIABLE):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("napari-promptseg", appauthor=False) / "engines.json"


def _remembered() -> dict[str, Any]:
    try:
        known = json.loads(engines_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(known: dict[str, Any]) -> None:
    file = engines_file()
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(file)
    except OSError:  # then it is found again next time
        with suppress(OSError):
            partial.unlink()
