"""ONNX files of networks with their weights, which other programs run. Needs no PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.models.clicknet_weights import DENSE_GRAPH, FEATURES_GRAPH
from napari_promptseg.models.tensor_files import graphs_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_promptseg.models.clicknet_weights import ClickNetWeights
    from napari_promptseg.models.stage import Float32

OPSET: Final = 17
"""Version of the operators of the graphs."""


def clicknet_model(weights: ClickNetWeights) -> Any:
    """Return ClickNet from image and prompt maps to logits, as an `onnx.ModelProto`.

    Inputs are "image", (B, 3, H, W) in [0, 1], and "prompts", (B, 4, H, W); the output "logits"
    is (B, 1, H, W). H and W are multiples of 32.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    """
    head = weights.heads[0]
    model = _filled(FEATURES_GRAPH, weights.tensors)
    kernel = head.weight.reshape(1, -1, 1, 1)
    last = _convolution(model, kernel, np.array([head.bias], np.float32))
    _enlarge(model, last, 2, "logits", 1)
    return model


def classifier_model(tensors: Mapping[str, NDArray[Any]], weight: Float32, bias: Float32) -> Any:
    """Return a pixel classifier on the features of ClickNet, as an `onnx.ModelProto`.

    The input "image" is (B, 3, H, W) in [0, 1]; the output "probability", (B, K, H, W), adds up
    to 1 over the kinds. H and W are multiples of 32.

    Parameters
    ----------
    tensors : dict of str to array
        Weights of ClickNet.
    weight : (C, K) float32 array
        Weights of the kinds.
    bias : (K,) float32 array
        Bias of the kinds.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    """
    model = _filled(DENSE_GRAPH, tensors)
    scores = _convolution(model, weight.T[:, :, None, None], bias)
    likely = _node(model, "Softmax", [scores], axis=1)
    _enlarge(model, likely, 4, "probability", len(bias))
    return model


def _filled(graph: str, tensors: Mapping[str, NDArray[Any]]) -> Any:
    """Return a graph of the package with its weights inside."""
    require("onnx", extra="torch", purpose="Export to ONNX")
    import onnx

    model = onnx.load(graphs_folder() / f"{graph}.onnx", load_external_data=False)
    for initializer in model.graph.initializer:
        initializer.CopyFrom(
            onnx.numpy_helper.from_array(tensors[initializer.name], initializer.name)
        )
    return model


def _convolution(model: Any, weight: NDArray[Any], bias: NDArray[Any]) -> str:
    """Add a convolution of one pixel to the output of a graph; return the name of its result."""
    import onnx

    names = [f"last.{part}" for part in ("weight", "bias")]
    for name, array in zip(names, (weight, bias), strict=True):
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
        model.graph.initializer.append(tensor)
    return _node(model, "Conv", [model.graph.output[0].name, *names])


def _node(model: Any, kind: str, inputs: list[str], **attributes: Any) -> str:
    import onnx

    output = f"last.{kind.lower()}"
    model.graph.node.append(onnx.helper.make_node(kind, inputs, [output], **attributes))
    return output


def _enlarge(model: Any, source: str, factor: int, name: str, channels: int) -> None:
    """Make a result, enlarged by a whole factor, the only output of a graph; check the graph."""
    import onnx

    scales = onnx.numpy_helper.from_array(np.array([1, 1, factor, factor], np.float32), "scales")
    model.graph.initializer.append(scales)
    model.graph.node.append(
        onnx.helper.make_node(
            "Resize",
            [source, "", "scales"],
            [name],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
    )
    shape: list[int | str | None] = ["batch", channels, "rows", "columns"]
    output = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    del model.graph.output[:]
    model.graph.output.append(output)
    onnx.checker.check_model(model)
