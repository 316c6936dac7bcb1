"""ClickNet, the shipped network for clicks, as a backend."""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.resize import resize
from napari_promptseg.models.adapters import load_adapter
from napari_promptseg.models.base import Capabilities, Float32, Prediction
from napari_promptseg.models.catalog import list_trained
from napari_promptseg.models.clicknet_weights import ALTERNATIVES, ClickNetWeights
from napari_promptseg.models.device import has_torch_for_gpu, pick_device_name
from napari_promptseg.models.encoding.prompt_maps import Encoding, encode
from napari_promptseg.models.engine_selection import fastest
from napari_promptseg.models.stage import LinearStage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.networks.clicknet import ClickNet


_STRIDE: Final = 32  # coarsest stride of the encoder; sides must be multiples of it
_ZOOM: Final = (1.0, 1.0, 1.15, 1.15, 1.4)
"""Factors of the input side by the number of prompts: the first prompts select the object,
best recognized at the scale of training; later ones correct its boundary, which needs detail."""


def shipped_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return Path(str(files("napari_promptseg.models") / "weights" / "clicknet.safetensors"))


class ClickNetBackend:
    """ClickNet on whole planes; wrap it in a zoom-in for objects that are small in them.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    weights : Path, optional
        A safetensors file of `promptseg train`; the shipped one when not given.
    side : int
        Longer side of the input of the network for a first prompt, in pixels; it grows with
        the number of prompts.
    encoding : {"disk", "gaussian", "distance"}
        Encoding of clicks; the shipped weights were trained with disks.
    variant : str
        Key of a saved class whose adapter is used, or of a network that the user trained, as
        in "clicknet:nucleus".

    Raises
    ------
    ValueError
        If the device is not available, `side` is not a positive multiple of 32, the weights
        are damaged or of another network, or there is no adapter and no network of that name.
    FileNotFoundError
        If the weights are missing.
    """

    name = "clicknet"
    default_propagator = "network"
    capabilities = Capabilities(
        frozenset({"point", "box", "scribble", "lasso"}),
        differentiable=True,
        scalable=True,
    )

    def __init__(
        self,
        device: str = "auto",
        weights: Path | None = None,
        side: int = 224,
        encoding: Encoding = "disk",
        variant: str = "",
    ) -> None:
        if side <= 0 or side % _STRIDE:
            raise ValueError(f"side must be a positive multiple of {_STRIDE}, got {side}")
        trained_path = list_trained().get(variant) if variant and weights is None else None
        self.device = pick_device_name(device)
        self.side, self.encoding = side, encoding
        network = ClickNetWeights.read(weights or trained_path or shipped_weights())
        if variant and trained_path is None:
            network = network.adapted(load_adapter(variant))
        self._use(network)

    def _use(self, weights: ClickNetWeights) -> None:
        self.weights, self.identity = weights, weights.identity
        if weights.ambiguity:
            self.capabilities = replace(self.capabilities, choices=1 + ALTERNATIVES)
        self.engine, self.features = fastest(weights, self.device)

    @property
    def net(self) -> ClickNet:
        """The network in PyTorch; built when it is first used, and shared by equal backends.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        """
        return self.weights.network(self.device)

    def adapted(self, adapter: Mapping[str, Any]) -> ClickNetBackend:
        """Return the same backend with an adapter (`napari_promptseg.models.adapters`).

        Parameters
        ----------
        adapter : dict of str to array or tensor
            Weights by name.

        Raises
        ------
        ValueError
            If the adapter belongs to another network.
        """
        other = copy.copy(self)
        other._use(self.weights.adapted(adapter))
        return other

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: the network reads image and prompts together."""
        return image

    def view_shape(self, image: PlaneImage, n_prompts: int = 1) -> tuple[int, int]:
        """Return the input shape of the network: square pixels, multiples of 32.

        Parameters
        ----------
        image : PlaneImage
            The plane or crop.
        n_prompts : int
            Number of prompts; 0 when propagating from a prior alone.
        """
        extent = [n * s for n, s in zip(image.shape, image.spacing, strict=True)]
        zoom = _ZOOM[min(max(n_prompts, 1), len(_ZOOM)) - 1]
        if not n_prompts:  # a prior selects the object: use all the resolution there is
            pixels = max(extent) / min(image.spacing)
            zoom = min(max(pixels / self.side, 1.0), _ZOOM[-1])
        scale = self.side * zoom / max(extent)
        rows, columns = (max(_STRIDE, round(e * scale / _STRIDE) * _STRIDE) for e in extent)
        return rows, columns

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
    ) -> LinearStage:
        """See `Differentiable.stage`; the head is the last, linear layer."""
        shape = self.view_shape(embedding, len(prompts.strokes) + len(prompts.regions))
        image = stretch_contrast(embedding.rgb(shape)).transpose(2, 0, 1)[None]
        maps = self._maps(prompts, prior, embedding.shape, shape)[None]
        features = self.features(image, maps)[0]
        number = 0
        if self.weights.ambiguity and prompts.choice:
            order = self.weights.answer_order(features)
            number = order[min(prompts.choice, len(order) - 1)]
        height, width = embedding.shape
        return LinearStage((0, height), (0, width), features, self.weights.heads[number], shape)

    def logits(self, images: Float32, maps: Float32) -> Float32:
        """Return the (B, H, W) logits of the main mask, see `ClickNet.forward` for the inputs."""
        size = images.shape[2], images.shape[3]
        head = self.weights.heads[0]
        return np.stack([resize(head(f), size) for f in self.features(images, maps)])

    def dense(self, image: Float32) -> Float32:
        """Return the (1, C, H/4, W/4) features of a (1, 3, H, W) image, see `ClickNet.dense`."""
        if self.device == "cpu" or not has_torch_for_gpu():
            (features,) = self.weights.dense_network(self.device)(image=image)
            return features
        import torch

        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
            dense: Float32 = self.net.dense(tensor).float().cpu().numpy()
        return dense

    def at_scale(self, factor: float) -> ClickNetBackend:
        """See `Scalable.at_scale`."""
        other = copy.copy(self)
        other.side = max(_STRIDE, round(self.side * factor / _STRIDE) * _STRIDE)
        return other

    def _maps(
        self,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        source: tuple[int, int],
        shape: tuple[int, int],
    ) -> Float32:
        """Draw the prompts of a plane of shape `source` in pixels of the network input."""
        scale = np.array(shape) / np.array(source)
        mapped = prompts.mapped(scale, (scale - 1) / 2)
        prior_map = None if prior is None else resize(prior, shape).astype(np.float32)
        return encode(mapped.strokes, mapped.regions, prior_map, shape, encoding=self.encoding)

    def close(self) -> None:
        """Free the network."""
        del self.weights, self.features
