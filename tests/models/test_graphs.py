"""The ONNX graphs of the package compute what the networks in PyTorch do, with any weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.models.backends.volumenet import VolumeModel, shipped_volume_weights
from napari_promptseg.models.clicknet_weights import DENSE_GRAPH, FEATURES_GRAPH, ClickNetWeights
from napari_promptseg.models.encoding.stack_maps import EARLIER, GIVEN, PlaneKnowledge, encode_stack
from napari_promptseg.models.instance_weights import InstanceNetwork, shipped_instance_weights
from napari_promptseg.models.networks.checkpoints import load_weights
from napari_promptseg.models.networks.clicknet import ClickNet
from napari_promptseg.models.networks.instancenet import InstanceNet
from napari_promptseg.models.networks.volumenet import VolumeNet
from napari_promptseg.models.onnx_network import OnnxNetwork, thread_count
from napari_promptseg.models.tensor_files import graph_tensors, graphs_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(8)


def random_clicknet() -> ClickNet:
    """A network with weights near the shipped ones, so that its features are alive."""
    torch.manual_seed(3)
    net = ClickNet().eval()
    load_weights(net, shipped_weights())
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.mul_(1 + 0.1 * torch.rand_like(tensor))
    for part in (net.alternatives, net.quality):
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return net


@pytest.fixture(scope="module", params=["with alternatives", "of version 0.1"])
def pair(request, tmp_path_factory) -> tuple[ClickNet, ClickNetWeights]:
    net = random_clicknet()
    state = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    if request.param == "of version 0.1":
        state = {k: v for k, v in state.items() if not k.startswith(("alternatives", "quality"))}
    path = tmp_path_factory.mktemp("weights") / "clicknet.safetensors"
    save_file(state, path)
    return net, ClickNetWeights.read(path)


def deviation(values: np.ndarray, expected: torch.Tensor) -> float:
    """Largest difference in standard deviations."""
    assert values.shape == tuple(expected.shape)
    return float(np.abs(values - expected.numpy()).max() / expected.std())


@pytest.mark.parametrize("batch", [1, 3])
def test_features_of_clicks_and_of_images(pair, batch: int) -> None:
    net, weights = pair
    image = RNG.random((batch, 3, 64, 160), np.float32)
    prompts = np.zeros((batch, 4, 64, 160), np.float32)
    prompts[:, 0, 10:16, 100:107] = prompts[:, 3, 5:30, 90:130] = 1
    with torch.inference_mode():
        features = net.features(torch.from_numpy(image), torch.from_numpy(prompts))
        dense = net.dense(torch.from_numpy(image))
    (answer,) = OnnxNetwork(FEATURES_GRAPH, weights.tensors)(image=image, prompts=prompts)
    assert deviation(answer, features) < 1e-4
    (answer,) = OnnxNetwork(DENSE_GRAPH, weights.tensors)(image=image)
    assert deviation(answer, dense) < 1e-4


def test_masks_and_their_quality(pair) -> None:
    net, weights = pair
    features = RNG.random((1, 32, 20, 28), np.float32)
    with torch.inference_mode():
        logits, quality = net.answers(torch.from_numpy(features))
    heads = np.stack([head(features[0]) for head in weights.heads])
    assert len(heads) == (4 if weights.ambiguity else 1)
    np.testing.assert_allclose(heads, logits[0, : len(heads)], atol=1e-5)
    if weights.ambiguity:
        np.testing.assert_allclose(weights.quality(features[0]), quality[0], atol=1e-4)
        best_first = [0, *(int(i) for i in quality[0].argsort(descending=True) if i)]
        assert weights.answer_order(features[0]) == best_first


@pytest.mark.parametrize("anchors", [(), (2,), (0, 1, 6)], ids=str)
def test_stacks(anchors: tuple[int, ...]) -> None:
    images = RNG.random((7, 64, 96, 3), np.float32)
    mask = np.zeros((64, 96), np.float32)
    mask[9:40, 50:71] = 1
    planes = [PlaneKnowledge(prior=mask) for _ in range(7)]
    for index in anchors:
        planes[index] = PlaneKnowledge(mask=mask, reliability=GIVEN if index else EARLIER)
    gaps = np.full(7, 0.03, np.float32)
    net = VolumeNet().eval()
    load_weights(net, shipped_volume_weights())
    answer = VolumeModel("cpu").answer(images, planes, gaps)

    from napari_promptseg.data.intensity_window import stretch_contrast

    inputs = stretch_contrast(images.reshape(7 * 64, 96, 3)).reshape(images.shape)
    maps = encode_stack(planes, gaps, (64, 96))
    with torch.inference_mode():
        logits = net(
            torch.from_numpy(np.moveaxis(inputs, -1, 1)[None].copy()), torch.from_numpy(maps[None])
        )
    np.testing.assert_allclose(answer, logits[0].sigmoid(), atol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_maps_of_instances(batch: int) -> None:
    net = InstanceNet().eval()
    load_weights(net, shipped_instance_weights())
    images = RNG.random((batch, 3, 64, 160), np.float32)
    with torch.inference_mode():
        expected = net.maps(torch.from_numpy(images))
    maps = InstanceNetwork("cpu").maps(images)
    assert maps.shape == (batch, 5, 32, 80)
    assert deviation(maps, expected) < 1e-3


def test_weights_of_clicknet_are_none_of_instancenet() -> None:
    with pytest.raises(ValueError, match="does not fit InstanceNet"):
        InstanceNetwork("cpu", shipped_weights())


def test_graphs_hold_no_weights_and_name_those_of_the_networks() -> None:
    nets = ClickNet(), VolumeNet(), InstanceNet()
    names = {name for net in nets for name in net.state_dict()}
    for graph, tensors in graph_tensors().items():
        assert set(tensors) <= names
        assert (graphs_folder() / f"{graph}.onnx").stat().st_size < 250_000


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    state = {k: v.contiguous() for k, v in random_clicknet().state_dict().items()}
    path = tmp_path / "other.safetensors"
    for change, message in (
        ({"join.bias": torch.zeros(3)}, r"'join.bias' has the shape \(3,\), not \(24,\)"),
        ({"new.bias": torch.zeros(3)}, r"unknown tensor 'new.bias'"),
    ):
        save_file(state | change, path)
        with pytest.raises(ValueError, match=rf"does not fit ClickNet: .*{message}"):
            ClickNetWeights.read(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="does not fit ClickNet"):
        ClickNetWeights.read(path)


def test_threads_follow_the_variable_where_pytorch_is_not_loaded(monkeypatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert thread_count() >= 1
