"""Networks on ONNX Runtime: graphs without weights, filled from arrays when they are loaded.

A graph serves all weights of its network: shipped ones, adapted ones, and those that users train.
`models/networks/graph_export.py` makes them.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.models.tensor_files import graph_tensors, graphs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Execution provider of each device."""


class OnnxNetwork:
    """A graph with weights, ready to run.

    Parameters
    ----------
    graph : str
        Name of a graph of the package.
    tensors : dict of str to array
        Weights; those that the graph does not read are ignored.
    device : {"cpu", "cuda"}
        Device.
    """

    def __init__(
        self, graph: str, tensors: Mapping[str, NDArray[Any]], device: str = "cpu"
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        options.log_severity_level = 3
        # Threads that wait by spinning starve the GUI and other programs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        names = list(graph_tensors()[graph])
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensors[name]) for name in names]
        options.add_external_initializers(names, values)
        providers = list(dict.fromkeys([_PROVIDERS[device], _PROVIDERS["cpu"]]))
        content = (graphs_folder() / f"{graph}.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(content, options, providers=providers)

    def __call__(self, **inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs of the graph for its inputs, which are given by name."""
        contiguous = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        outputs: list[NDArray[np.float32]] = self._session.run(None, contiguous)
        return outputs


def has_provider(device: str) -> bool:
    """Return whether ONNX Runtime itself can run on a device."""
    import onnxruntime

    return _PROVIDERS.get(device) in onnxruntime.get_available_providers()


def thread_count() -> int:
    """Return the number of threads of a network on the CPU.

    As many as PyTorch uses if it is loaded, else OMP_NUM_THREADS, else one per physical core that
    the process may use.
    """
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    if (text := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() and int(text) > 0:
        return int(text)
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, usable or 1))
