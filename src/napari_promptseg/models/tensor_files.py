"""Tensors of network weights as arrays: reading, checking, identities. Needs no PyTorch."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Tensors = dict[str, "NDArray[Any]"]
_COUNTERS: Final = "num_batches_tracked"
"""Suffix of tensors that matter in training alone."""


def graphs_folder() -> Path:
    """Return the folder of the ONNX graphs, and of `tensors.json`, which lists their weights."""
    return Path(str(files("napari_promptseg.models") / "graphs"))


def weights_file(network: str) -> Path:
    """Return the file of the weights of a network that ships with the package."""
    return Path(str(files("napari_promptseg.models") / "weights" / f"{network}.safetensors"))


@lru_cache(maxsize=1)
def graph_tensors() -> dict[str, dict[str, list[int]]]:
    """Return the shape of each tensor that a graph reads, by graph and name."""
    text = (graphs_folder() / "tensors.json").read_text(encoding="utf-8")
    graphs: dict[str, dict[str, list[int]]] = json.loads(text)
    return graphs


def read_tensors(path: Path, network: str) -> Tensors:
    """Read a safetensors file; floats become float32.

    Parameters
    ----------
    path : Path
        The file.
    network : str
        Name of the network, for messages.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.exists():
        raise FileNotFoundError(f"no weights of {network} at {str(path)!r}")
    try:
        tensors: Tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} does not fit {network}: {error}") from error
    return {  # weights may be stored as float16
        name: tensor.astype(np.float32) if tensor.dtype.kind == "f" else tensor
        for name, tensor in tensors.items()
    }


def check_tensors(
    tensors: Tensors, expected: Mapping[str, list[int]], path: Path, network: str
) -> None:
    """Compare the names and shapes of weights with those that a network needs.

    Parameters
    ----------
    tensors : dict of str to array
        Weights by name.
    expected : dict of str to list of int
        Shapes of the tensors that the network needs.
    path : Path
        Their file, for messages.
    network : str
        Name of the network, for messages.

    Raises
    ------
    ValueError
        If they are of another network; the message names the first difference.
    """
    problem = ""
    for name, shape in expected.items():
        if name not in tensors:
            problem = f"it lacks the tensor {name!r}"
        elif list(tensors[name].shape) != shape:
            problem = f"its tensor {name!r} has the shape {tensors[name].shape}, not {tuple(shape)}"
        if problem:
            break
    unknown = [n for n in tensors if n not in expected and not n.endswith(_COUNTERS)]
    if unknown and not problem:
        problem = f"it has an unknown tensor {unknown[0]!r}"
    if problem:
        raise ValueError(f"{str(path)!r} does not fit {network}: {problem}")


def as_array(tensor: Any) -> NDArray[Any]:
    """Return an array, or a tensor of PyTorch on any device, as an array."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.ascontiguousarray(tensor)


def weights_identity(name: str, path: Path) -> str:
    """Return the name of a network and the SHA-256 of its weights file."""
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def tensors_hash(tensors: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arrays or tensors, as float32, and their names, in their order."""
    digest = hashlib.sha256()
    for key, tensor in tensors.items():
        digest.update(key.encode())
        digest.update(as_array(tensor).astype(np.float32).data)
    return digest.hexdigest()
