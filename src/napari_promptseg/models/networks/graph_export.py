"""ONNX graphs of the shipped networks, without weights; see `models/onnx_network.py`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from napari_promptseg.data.requirements import require
from napari_promptseg.models.backends.volumenet import CHOOSE_GRAPH, SEE_GRAPH
from napari_promptseg.models.clicknet_weights import DENSE_GRAPH, FEATURES_GRAPH
from napari_promptseg.models.encoding.stack_maps import STACK_CHANNELS
from napari_promptseg.models.instance_weights import MAPS_GRAPH
from napari_promptseg.models.network_export import SIDE, without_remarks
from napari_promptseg.models.networks.clicknet import PROMPT_CHANNELS, ClickNet
from napari_promptseg.models.networks.instancenet import InstanceNet
from napari_promptseg.models.networks.volumenet import FEATURES, VolumeNet
from napari_promptseg.models.onnx_files import OPSET

if TYPE_CHECKING:
    from pathlib import Path

_PREFIX: Final = "net."
_PLANES: Final = {0: "batch", 2: "height", 3: "width"}
_STACK: Final = {2: "planes", 3: "height", 4: "width"}
_DEPTH, _CROP = 8, 64


class _Method(nn.Module):
    """A network whose forward pass is one of its methods."""

    def __init__(self, net: nn.Module, method: str) -> None:
        super().__init__()
        self.net, self._method = net, method

    def forward(self, *inputs: torch.Tensor) -> Any:
        return getattr(self.net, self._method)(*inputs)


def write_graphs(folder: Path) -> None:
    """Write the graphs of all networks, and `tensors.json` with the weights that they read.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    """
    require("onnx", extra="torch", purpose="Making graphs")
    folder.mkdir(parents=True, exist_ok=True)
    click, volume = _distinct(ClickNet()), _distinct(VolumeNet())
    instance = _distinct(InstanceNet())
    image, maps = torch.rand(1, 3, SIDE, SIDE), torch.rand(1, PROMPT_CHANNELS, SIDE, SIDE)
    grey = torch.rand(1, 1, _DEPTH, _CROP, _CROP)
    stack = torch.rand(1, 1 + STACK_CHANNELS + 2, _DEPTH, _CROP, _CROP)
    features = torch.rand(1, FEATURES, _DEPTH, _CROP // 2, _CROP // 2)
    planes = {"image": _PLANES, "prompts": _PLANES}
    tensors = {
        FEATURES_GRAPH: _write(
            click, "features", (image, maps), planes, {"features": _PLANES}, folder, FEATURES_GRAPH
        ),
        DENSE_GRAPH: _write(
            click, "dense", (image,), {"image": _PLANES}, {"dense": _PLANES}, folder, DENSE_GRAPH
        ),
        MAPS_GRAPH: _write(
            instance, "maps", (image,), {"image": _PLANES}, {"maps": _PLANES}, folder, MAPS_GRAPH
        ),
        SEE_GRAPH: _write(
            volume,
            "see_grey",
            (grey,),
            {"grey": _STACK},
            {"features": _STACK, "keys": _STACK},
            folder,
            SEE_GRAPH,
        ),
        CHOOSE_GRAPH: _write(
            volume,
            "decide",
            (stack, features),
            {"inputs": _STACK, "features": _STACK},
            {"logits": {1: "planes", 2: "height", 3: "width"}},
            folder,
            CHOOSE_GRAPH,
        ),
    }
    (folder / "tensors.json").write_text(json.dumps(tensors, sort_keys=True), encoding="utf-8")


def _distinct(net: nn.Module) -> nn.Module:
    """Fill a network with numbers that differ: equal weights would be merged in the graph."""
    generator = torch.Generator().manual_seed(0)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net.eval()


def _write(
    net: nn.Module,
    method: str,
    example: tuple[torch.Tensor, ...],
    inputs: dict[str, dict[int, str]],
    outputs: dict[str, dict[int, str]],
    folder: Path,
    name: str,
) -> dict[str, list[int]]:
    """Write the graph of a method; return the shapes of the weights that it reads."""
    import onnx

    file = folder / f"{name}.onnx"
    with without_remarks():
        torch.onnx.export(
            _Method(net, method).eval(),
            example,
            file,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={**inputs, **outputs},
            opset_version=OPSET,
            dynamo=False,
            # Folding and fusing would mix weights with each other; ONNX Runtime does it later.
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = onnx.load(file)
    shapes = {}
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(_PREFIX)
        shapes[tensor.name] = list(tensor.dims)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        location = tensor.external_data.add()
        location.key, location.value = "location", "weights"
    for node in model.graph.node:
        node.ClearField("doc_string")
        for index, source in enumerate(node.input):
            if source.removeprefix(_PREFIX) in shapes:
                node.input[index] = source.removeprefix(_PREFIX)
    file.write_bytes(model.SerializeToString())
    return shapes
