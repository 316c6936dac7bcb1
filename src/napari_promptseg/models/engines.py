"""What runs the features of ClickNet: PyTorch as it is, or a faster engine where that is right.

The last, linear layer stays with PyTorch, so that clicks can be made to hold by f-BRS whatever
computes the features.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_promptseg.models.base import Float32
    from napari_promptseg.models.networks.clicknet import ClickNet

SIDE: Final = 224
"""Pixels of a side that an engine is made and measured with; it works for others."""
_OPSET: Final = 17


class Engine(Protocol):
    """Computes features, as `ClickNet.features`."""

    def __call__(self, image: Float32, prompts: Float32) -> torch.Tensor:
        """Return the (1, C, H/2, W/2) features.

        Parameters
        ----------
        image : (1, 3, H, W) float32 array
            Values in [0, 1]; sides are multiples of 32.
        prompts : (1, 4, H, W) float32 array
            See `ClickNet.forward`.
        """


class Eager:
    """PyTorch, operation by operation.

    Parameters
    ----------
    net : ClickNet
        On its device.
    layout : {"channels_last", "contiguous"}
        Of its weights and inputs.
    half : bool
        Whether it runs in bfloat16 where that is safe.
    """

    def __init__(self, net: ClickNet, layout: str = "channels_last", half: bool = False) -> None:
        formats = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
        self._format: Any = formats[layout]
        self._device = next(net.parameters()).device
        # The network of a backend is channels-last; another layout needs weights of its own.
        shared = layout == "channels_last"
        self._net = (net if shared else copy.deepcopy(net)).to(memory_format=self._format)
        self._half = half

    def __call__(self, image: Float32, prompts: Float32) -> torch.Tensor:
        """See `Engine`."""
        given = [
            torch.from_numpy(np.ascontiguousarray(a)).to(self._device, memory_format=self._format)
            for a in (image, prompts)
        ]
        with (
            torch.no_grad(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._half),
        ):
            return self._net.features(*given).float()


class Script:
    """TorchScript, frozen and fused.

    Parameters
    ----------
    net : ClickNet
        On the CPU.
    """

    def __init__(self, net: ClickNet) -> None:
        with _without_remarks():
            self._run = torch.jit.freeze(_traced(_Part(net, features=True)))

    def __call__(self, image: Float32, prompts: Float32) -> torch.Tensor:
        """See `Engine`."""
        with torch.no_grad():
            features: torch.Tensor = self._run(
                *(torch.from_numpy(np.ascontiguousarray(a)) for a in (image, prompts))
            )
        return features


class Onnx:
    """ONNX Runtime on the CPU.

    Parameters
    ----------
    graph : bytes
        From `onnx_graph`.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    """

    def __init__(self, graph: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, image: Float32, prompts: Float32) -> torch.Tensor:
        """See `Engine`."""
        given = {"image": np.ascontiguousarray(image), "prompts": np.ascontiguousarray(prompts)}
        (features,) = self._session.run(None, given)
        return torch.from_numpy(features)


def onnx_graph(net: ClickNet) -> bytes:
    """Return the graph of the features in the ONNX format, for images of any size.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.onnx"
        _write_onnx(_Part(net, features=True), file, "features")
        return file.read_bytes()


def export_network(net: ClickNet, file: Path) -> None:
    """Write a network for other programs: from image and prompt maps to logits.

    Parameters
    ----------
    net : ClickNet
        Stays as it is.
    file : Path
        ``.onnx``, or ``.pt`` for TorchScript. A kill at any moment leaves the old or the new
        one.

    Raises
    ------
    ValueError
        If it has another suffix.
    ImportError
        If the package onnx is needed and not installed.
    """
    if file.suffix not in (".onnx", ".pt"):
        raise ValueError(f"cannot export to {file.name!r}; valid suffixes: ['.onnx', '.pt']")
    partial = file.with_name(f"{file.stem}.partial{file.suffix}")
    part = _Part(net, features=False)
    try:
        if file.suffix == ".onnx":
            _write_onnx(part, partial, "logits")
        else:
            with _without_remarks():
                torch.jit.freeze(_traced(part)).save(str(partial))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _write_onnx(part: _Part, file: Path, output: str) -> None:
    import onnx  # noqa: F401 - told here what is missing, and not from within PyTorch

    sides = {2: "height", 3: "width"}
    with _without_remarks():
        torch.onnx.export(
            part,
            _example(),
            file,
            input_names=["image", "prompts"],
            output_names=[output],
            dynamic_axes={"image": sides, "prompts": sides, output: {2: "rows", 3: "columns"}},
            opset_version=_OPSET,
            dynamo=False,  # which gives the same graph after minutes instead of a second
        )


class _Part(torch.nn.Module):
    """The network, or its features alone, on weights of its own in the usual order."""

    def __init__(self, net: ClickNet, features: bool) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).cpu().float().to(memory_format=torch.contiguous_format)
        self._features = features
        self.eval()

    def forward(self, image: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        features = self.net.features(image, prompts)
        if self._features:
            return features
        return interpolate(self.net.logits(features), scale_factor=2.0, mode="bilinear")


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Leave out what PyTorch says about tracing: that factors become constants is meant so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _traced(part: _Part) -> Any:
    trace: Any = torch.jit.trace
    with torch.no_grad(), _without_remarks():
        return trace(part, _example(), check_trace=False)


def _example() -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image of noise with a click on it."""
    image = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    prompts = torch.zeros(1, 4, SIDE, SIDE)
    prompts[:, 0, 100:110, 100:110] = 1
    return image, prompts


ENGINES: Final[dict[str, Callable[[ClickNet], Engine]]] = {
    "eager": lambda net: Eager(net, "contiguous"),
    "channels_last": Eager,
    "bfloat16": lambda net: Eager(net, half=True),
    "torchscript": Script,
    "onnx": lambda net: Onnx(onnx_graph(net)),
}
"""By name; each makes an engine of a network."""
