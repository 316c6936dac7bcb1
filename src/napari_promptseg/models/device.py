"""Selection of the compute device."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_promptseg.data.requirements import is_installed, require
from napari_promptseg.models.onnx_network import has_provider

if TYPE_CHECKING:
    import torch

_DRIVERS: Final = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Files of the drivers of NVIDIA, of GPUs in WSL, and of AMD."""


def available_devices() -> list[str]:
    """Return the available devices: "cpu", then "cuda" or "mps" where present.

    PyTorch is imported only where there may be a GPU for it.
    """
    devices = ["cpu"]
    if has_torch_for_gpu():
        import torch

        if torch.cuda.is_available():
            devices.append("cuda")
        if torch.backends.mps.is_available():
            devices.append("mps")
    if "cuda" not in devices and may_have_gpu() and has_provider("cuda"):
        devices.append("cuda")
    return devices


def has_torch_for_gpu() -> bool:
    """Return whether PyTorch is loaded, or is installed on a machine that may have a GPU."""
    return "torch" in sys.modules or (may_have_gpu() and is_installed("torch"))


def may_have_gpu() -> bool:
    """Return whether the machine may have a GPU that networks run on, without loading anything."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return Path("C:/Windows/System32/nvcuda.dll").exists()
    return any(Path(driver).exists() for driver in _DRIVERS)


def pick_device_name(name: str = "auto") -> str:
    """Return a device by name; "auto" takes the last, fastest one of `available_devices`.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    if name == "cpu":
        return name
    devices = available_devices()
    if name == "auto":
        return devices[-1]
    if name not in devices:
        raise ValueError(f"device {name!r} is not available; valid devices: {['auto', *devices]}")
    return name


def pick_device(name: str = "auto") -> torch.device:
    """Return a device of PyTorch by name, see `pick_device_name`.

    Raises
    ------
    ValueError
        If the device is not available.
    ImportError
        If PyTorch is not installed.
    """
    require("torch", extra="torch", purpose="This model")
    import torch

    return torch.device(pick_device_name(name))
