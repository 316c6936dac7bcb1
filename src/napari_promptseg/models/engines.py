"""Inference engines for the features of ClickNet: PyTorch, TorchScript and ONNX Runtime.

The last, linear layer always runs in PyTorch: f-BRS needs its gradients, whichever engine
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

from napari_promptseg.data.atomic_file import atomic_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_promptseg.models.base import Float32
    from napari_promptseg.models.networks.clicknet import ClickNet

SIDE: Final = 224
"""Side in pixels of the example input that engines are traced and timed with."""
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
        The network, on its device.
    layout : {"channels_last", "contiguous"}
        Memory format of weights and inputs.
    half : bool
        Whether to autocast to bfloat16.
    """

    def __init__(self, net: ClickNet, layout: str = "channels_last", half: bool = False) -> None:
        formats = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
        self._format: Any = formats[layout]
        self._device = next(net.parameters()).device
        # The network of a backend is channels-last; another layout needs weights of its own.
        is_shared = layout == "channels_last"
        self._net = (net if is_shared else copy.deepcopy(net)).to(memory_format=self._format)
        self._half = half

    def __call__(self, image: Float32, prompts: Float32) -> torch.Tensor:
        """See `Engine`."""
        inputs = [
            torch.from_numpy(np.ascontiguousarray(a)).to(self._device, memory_format=self._format)
            for a in (image, prompts)
        ]
        with (
            torch.no_grad(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._half),
        ):
            return self._net.features(*inputs).float()


class Script:
    """TorchScript, frozen and fused.

    Parameters
    ----------
    net : ClickNet
        On the CPU.
    """

    def __init__(self, net: ClickNet) -> None:
        with _without_remarks():
            self._run = torch.jit.freeze(_trace(_Part(net, features=True)))

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
        inputs = {"image": np.ascontiguousarray(image), "prompts": np.ascontiguousarray(prompts)}
        (features,) = self._session.run(None, inputs)
        return torch.from_numpy(features)


def onnx_graph(net: ClickNet) -> bytes:
    """Return the feature network as an ONNX graph, for images of any size.

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
    """Export a network, from image and prompt maps to logits, for other programs.

    Parameters
    ----------
    net : ClickNet
        The network; unchanged.
    file : Path
        ``.onnx``, or ``.pt`` for TorchScript; replaced atomically.

    Raises
    ------
    ValueError
        If it has another suffix.
    ImportError
        If the package onnx is needed and not installed.
    """
    if file.suffix not in (".onnx", ".pt"):
        raise ValueError(f"cannot export to {file.name!r}; valid suffixes: ['.onnx', '.pt']")
    part = _Part(net, features=False)
    with atomic_target(file, file.suffix, overwrite=True) as temporary:
        if file.suffix == ".onnx":
            _write_onnx(part, temporary, "logits")
        else:
            with _without_remarks():
                torch.jit.freeze(_trace(part)).save(str(temporary))


def _write_onnx(part: _Part, file: Path, output: str) -> None:
    import onnx  # noqa: F401 - a missing package raises here, not deep within PyTorch

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
    """Copy of the network, or of its feature extractor, in contiguous memory format."""

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
    """Silence tracer warnings: scale factors become constants on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _trace(part: _Part) -> Any:
    trace: Any = torch.jit.trace
    with torch.no_grad(), _without_remarks():
        return trace(part, _example(), check_trace=False)


def _example() -> tuple[torch.Tensor, torch.Tensor]:
    """Return a noise image and prompt maps with one click."""
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
"""Factories of engines by name."""
