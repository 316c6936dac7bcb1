"""RITM: published click networks on HRNet, from checkpoints in their own format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.requirements import require
from napari_promptseg.data.resize import resize
from napari_promptseg.models.autograd_stage import AutogradStage, Head, sample
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.catalog import find_weights
from napari_promptseg.models.device import pick_device
from napari_promptseg.models.encoding.clicks import to_clicks
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.networks.ritm import RitmNet

_CLASSES: Final = ("isegm.model.is_hrnet_model.HRNetModel", "HRNetModel")
"""Class names of supported networks in checkpoint files."""
_WITHOUT_EFFECT: Final = frozenset(
    {"backbone_lr_mult", "norm_layer", "cpu_dist_maps", "with_aux_output", "num_max_points"}
)
"""Settings in checkpoint files that affect training alone."""
_SIDE: Final = 400
"""Longer side of the network input in pixels, at which RITM was evaluated."""


def load_ritm(path: Path | str) -> RitmNet:
    """Load a published checkpoint of RITM (.pth).

    Parameters
    ----------
    path : Path or str
        The file; nothing in it is executed.

    Returns
    -------
    RitmNet
        ``net(image, prev_mask, positive, negative)`` returns (B, 1, H, W) logits; see
        `RitmNet.forward`. On the CPU, in evaluation mode, weights without gradients.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, holds anything but weights and settings, or another network.
    ImportError
        If PyTorch is not installed.
    """
    require("torch", extra="torch", purpose="RITM")
    from pathlib import Path

    from napari_promptseg.models.networks.checkpoints import fill, load_checkpoint
    from napari_promptseg.models.networks.ritm import RitmNet

    path = Path(path)
    content = load_checkpoint(path)
    if not isinstance(content, dict) or not {"config", "state_dict"} <= content.keys():
        raise ValueError(f"{str(path)!r} is no checkpoint of RITM: it has no config and state_dict")
    net = RitmNet(_settings(content["config"], path))
    fill(net, content["state_dict"], path, "its own config")
    return net.eval().requires_grad_(False)


def _settings(config: Any, path: Path) -> Any:
    """Return the settings of a checkpoint.

    Raises
    ------
    ValueError
        If the network is of another class, or has an unknown setting.
    """
    from dataclasses import fields

    from napari_promptseg.models.networks.ritm import RitmSettings

    try:
        name = config["class"]
        values = {key: entry["value"] for key, entry in config["params"].items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{str(path)!r} has a config that cannot be read") from error
    if name not in _CLASSES:
        raise ValueError(
            f"{str(path)!r} holds a network {name!r}; valid networks: {list(_CLASSES)}"
        )
    valid = {field.name for field in fields(RitmSettings)}
    # Groups of clicks would change the input maps; None means that there are none.
    unknown = {k for k, v in values.items() if v is not None} - valid - _WITHOUT_EFFECT
    if unknown:
        raise ValueError(
            f"{str(path)!r} has settings {sorted(unknown)}; valid settings: {sorted(valid)}"
        )
    return RitmSettings(**{key: value for key, value in values.items() if key in valid})


class RitmBackend:
    """A network of RITM on whole planes; wrap it in a zoom-in for small objects.

    Boxes, scribbles and lassos become clicks. With `Brs` around it, which is the default,
    it is f-BRS-B (Sofiiuk et al. 2020, arXiv:2001.10331): scale and bias of the features
    before the last layer are fitted until every click holds.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    variant : str, optional
        Published model; the first that is installed when not given.
    weights : Path, optional
        Path of a checkpoint outside the models folder.

    Raises
    ------
    ValueError
        If the device is not available, or the checkpoint cannot be used.
    FileNotFoundError
        If the checkpoint is missing; the message says where to get it.
    """

    name = "ritm"
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}), differentiable=True
    )

    def __init__(
        self, device: str = "auto", variant: str | None = None, weights: Path | None = None
    ) -> None:
        self.device = pick_device(device)
        weights, _ = find_weights(self.name, variant, weights)
        self.net = load_ritm(weights).to(self.device)
        self.identity = weights_identity(self.name, weights)

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the network reads image and prompts together."""
        return image

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        return self.stage(embedding, prompts, prior).answer()

    def stage(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> AutogradStage:
        """See `Differentiable.stage`; the head is the last, linear layer."""
        import torch

        shape = _network_shape(embedding)
        image = self._tensor(embedding.rgb(shape).transpose(2, 0, 1)[None])
        if prior is None:
            previous = image.new_zeros(1, 1, *shape)
        else:
            previous = self._tensor(resize(prior.astype(np.float32), shape)[None, None])
        scale = np.array(shape) / np.array(embedding.shape)
        mapped = prompts.mapped(scale, (scale - 1) / 2)
        clicks = to_clicks(mapped, shape, None if prior is None else resize(prior, shape))
        with torch.no_grad():
            maps = self.net.maps(previous, clicks.positive, clicks.negative)
            context, _ = self.net.aggregate(image, maps)

        def logits(tensors: tuple[Tensor, ...]) -> Tensor:
            return self.net.last(tensors[0], shape)

        def last(tensors: tuple[Tensor, ...]) -> Tensor:
            return self.net.feature_extractor.last(tensors[0])

        def probe(points: NDArray[np.float64]) -> tuple[tuple[Tensor, ...], Head]:
            # A linear layer may come after the sampling as well as before.
            return (sample(context, points),), last

        height, width = embedding.shape
        return AutogradStage((0, height), (0, width), (context,), logits, probe)

    def _tensor(self, values: NDArray[np.float32]) -> Tensor:
        import torch

        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    def close(self) -> None:
        """Free the network."""
        del self.net


def _network_shape(image: PlaneImage) -> tuple[int, int]:
    """Return the input shape of the network: square pixels, upsampled at most twice."""
    extent = [n * s for n, s in zip(image.shape, image.spacing, strict=True)]
    scale = min(_SIDE / max(extent), 2 / min(image.spacing))
    rows, columns = (max(32, round(e * scale / 4) * 4) for e in extent)
    return rows, columns
