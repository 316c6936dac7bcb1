"""Networks filled from files."""

from __future__ import annotations

import hashlib
import re
import warnings
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn


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


def load_checkpoint(path: Path, numbers: bool = False) -> Any:
    """Return what a checkpoint of torch (.pth, .pt) of somebody else holds, on the CPU.

    Such files are pickles, which can run any code when read. Only tensors and plain Python
    values are taken from them here.

    Parameters
    ----------
    path : Path
        The file.
    numbers : bool
        Whether single numbers of numpy are taken too, which logs of nnU-Net are full of.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not a checkpoint, or asks for anything but tensors and plain values
        to be made; nothing in it was executed.
    """
    import torch

    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}")
    try:
        with (
            warnings.catch_warnings(action="ignore", category=UserWarning),
            torch.serialization.safe_globals(_numbers() if numbers else []),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the reader lets out whatever damaged bytes lead it to
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {asked[1]!r}" if asked else "it is damaged or not a checkpoint"
        raise ValueError(
            f"{str(path)!r} cannot be read as weights: {reason}; nothing in it was executed"
        ) from error


def _numbers() -> list[Any]:
    """Return what numpy makes single numbers by, under its old and new name."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [np.dtype, *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), *kinds]


def fill(net: nn.Module, state: Any, path: Path, what: str) -> None:
    """Fill a network with the weights of a checkpoint.

    Raises
    ------
    ValueError
        If they are of another network; the file and the first difference are named.
    """
    try:
        net.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        first = " ".join(str(error).split())[:200]
        raise ValueError(f"{str(path)!r} does not fit {what}: {first}") from error


def weights_identity(name: str, path: Path) -> str:
    """Return the name of a network and the SHA-256 of its file of weights."""
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def model_identity(name: str, net: nn.Module) -> str:
    """Return a name and the SHA-256 of the weights that a network holds."""
    return f"{name} {tensors_hash(net.state_dict())}"


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors and their names, in their order."""
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()
