"""Networks filled from files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def load_weights(net: nn.Module, path: Path) -> None:
    """Fill a network from a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or holds the weights of another network.
    """
    if not path.exists():
        raise FileNotFoundError(f"no weights of {type(net).__name__} at {str(path)!r}")
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{str(path)!r} does not fit {type(net).__name__}: {first}") from error


def weights_identity(name: str, path: Path) -> str:
    """Return the name of a network and the SHA-256 of its file of weights."""
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"
