"""Loading of network weights and checkpoints."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from napari_promptseg.models.tensor_files import tensors_hash

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def load_weights(net: nn.Module, path: Path) -> None:
    """Load a safetensors file into a network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another network.
    """
    if not path.exists():
        raise FileNotFoundError(f"no weights of {type(net).__name__} at {str(path)!r}")
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{str(path)!r} does not fit {type(net).__name__}: {first}") from error


def load_checkpoint(path: Path, numbers: bool = False) -> Any:
    """Return the content of an untrusted PyTorch checkpoint (.pth, .pt), on the CPU.

    Such files are pickles, which can execute code when read. Only tensors and plain Python
    values are accepted.

    Parameters
    ----------
    path : Path
        The file.
    numbers : bool
        Whether numpy scalars are accepted too, as nnU-Net stores them in its logs.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not a checkpoint, or holds anything but tensors and plain values;
        nothing in it was executed.
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
    except Exception as error:  # damaged bytes make the reader raise exceptions of any type
        refusal = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it asks for {refusal[1]!r}" if refusal else "it is damaged or not a checkpoint"
        raise ValueError(
            f"{str(path)!r} cannot be read as weights: {reason}; nothing in it was executed"
        ) from error


def _numbers() -> list[Any]:
    """Return the constructors of numpy scalars, under their old and new module name."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [np.dtype, *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")}]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), *kinds]


def fill(net: nn.Module, state: Any, path: Path, what: str) -> None:
    """Load the state dict of a checkpoint into a network.

    Raises
    ------
    ValueError
        If it belongs to another network; the message names the file and the first difference.
    """
    try:
        net.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        first = " ".join(str(error).split())[:200]
        raise ValueError(f"{str(path)!r} does not fit {what}: {first}") from error


def model_identity(name: str, net: nn.Module) -> str:
    """Return a name and the SHA-256 of the weights that a network holds."""
    return f"{name} {tensors_hash(net.state_dict())}"
