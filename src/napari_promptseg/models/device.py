"""Selection of the compute device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def available_devices() -> list[str]:
    """Return the available devices: "cpu", then "cuda" or "mps" where present."""
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices


def pick_device(name: str = "auto") -> torch.device:
    """Return a device by name; "auto" takes the last, fastest one of `available_devices`.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    import torch

    devices = available_devices()
    if name == "auto":
        return torch.device(devices[-1])
    if name not in devices:
        raise ValueError(f"device {name!r} is not available; valid devices: {['auto', *devices]}")
    return torch.device(name)
