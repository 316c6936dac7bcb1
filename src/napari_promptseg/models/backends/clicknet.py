"""ClickNet, the shipped network for clicks, as a backend."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.data.resize import resize
from napari_promptseg.models.adapters import load_adapter
from napari_promptseg.models.base import Capabilities, Float32, Prediction
from napari_promptseg.models.batching import Query
from napari_promptseg.models.catalog import list_trained
from napari_promptseg.models.clicknet_weights import ALTERNATIVES, ClickNetWeights
from napari_promptseg.models.device import has_torch_for_gpu, pick_device_name
from napari_promptseg.models.encoding.prompt_maps import Encoding, encode
from napari_promptseg.models.engine_selection import fastest
from napari_promptseg.models.stage import LinearStage, sigmoid
from napari_promptseg.models.tensor_files import weights_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.networks.clicknet import ClickNet


_STRIDE: Final = 32  # coarsest stride of the encoder; sides must be multiples of it
_ZOOM: Final = (1.0, 1.0, 1.15, 1.15, 1.4)
"""Factors of the input side by the number of prompts: the first prompts select the object,
best recognized at the scale of training; later ones correct its boundary, which needs detail."""
_BATCH_PIXELS: Final = {"cpu": 2**17, "gpu": 2**21}
"""Pixels of the inputs of one batch: more do not fit the caches of a CPU, which costs time."""


def shipped_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return weights_file("clicknet")


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

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        """See `Batched.predict_many`."""
        return [stage.answer() for stage in self.stages(queries)]

    def stage(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> LinearStage:
        """See `Differentiable.stage`; the head is the last, linear layer."""
        return next(self.stages([Query(embedding, prompts, prior)]))

    def stages(self, queries: Sequence[Query]) -> Iterator[LinearStage]:
        """See `BatchedStages.stages`; inputs of one shape are a batch."""
        shapes = [
            self.view_shape(q.embedding, len(q.prompts.strokes) + len(q.prompts.regions))
            for q in queries
        ]
        largest = max((rows * columns for rows, columns in shapes), default=1)
        size = max(1, _BATCH_PIXELS["cpu" if self.device == "cpu" else "gpu"] // largest)
        for start in range(0, len(queries), size):
            batch = range(start, min(start + size, len(queries)))
            stages: dict[int, LinearStage] = {}
            for shape in dict.fromkeys(shapes[i] for i in batch):
                numbers = [i for i in batch if shapes[i] == shape]
                stages.update(
                    zip(numbers, self._run([queries[i] for i in numbers], shape), strict=True)
                )
            yield from (stages[i] for i in batch)

    def _run(self, queries: Sequence[Query], shape: tuple[int, int]) -> list[LinearStage]:
        """Run the network on queries with inputs of one shape."""
        images = np.empty((len(queries), 3, *shape), np.float32)
        maps = np.empty((len(queries), 4, *shape), np.float32)
        for i, query in enumerate(queries):
            image: PlaneImage = query.embedding
            images[i] = stretch_contrast(image.rgb(shape)).transpose(2, 0, 1)
            maps[i] = self._maps(query.prompts, query.prior, image.shape, shape)
        every = self.features(images, maps)
        return [
            self._stage(features, query, shape)
            for features, query in zip(every, queries, strict=True)
        ]

    def _stage(self, features: Float32, query: Query, shape: tuple[int, int]) -> LinearStage:
        number, expected, choice = 0, None, query.prompts.choice
        if self.weights.ambiguity:
            if choice:
                order = self.weights.answer_order(features)
                number = order[min(choice, len(order) - 1)]
            # Of the main answer: all choices come from the looks that are best for it.
            expected = float(sigmoid(self.weights.quality(features)[0]))
        height, width = query.embedding.shape
        head = self.weights.heads[number]
        return LinearStage((0, height), (0, width), features, head, shape, expected)

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
        strokes = (*mapped.strokes, *mapped.neighbors)
        return encode(strokes, mapped.regions, prior_map, shape, encoding=self.encoding)

    def close(self) -> None:
        """Free the network."""
        del self.weights, self.features
