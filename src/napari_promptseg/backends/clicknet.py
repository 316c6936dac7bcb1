"""The shipped model as a backend."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.backends.base import Capabilities, Float32, Prediction
from napari_promptseg.backends.device import pick_device
from napari_promptseg.backends.encoding import Encoding, encode
from napari_promptseg.core.intensity import stretch_contrast
from napari_promptseg.core.plane_prompts import PlanePrompts, Region, Stroke
from napari_promptseg.core.resampling import resize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.core.volume import PlaneImage


_STRIDE: Final = 32  # coarsest stride of the encoder; sides must be multiples of it


def shipped_weights() -> Path:
    """Return the file of the weights that ship with the package."""
    return Path(str(files("napari_promptseg.backends") / "weights" / "clicknet.safetensors"))


class ClickNetBackend:
    """ClickNet on whole planes; wrap it in a zoom-in for objects that are small in them.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    weights : Path, optional
        A safetensors file of `promptseg train`; the shipped one when not given.
    side : int
        The longer side of what the network sees, in pixels.
    encoding : {"disk", "gaussian", "distance"}
        How clicks are drawn; the shipped weights were trained with disks.

    Raises
    ------
    ValueError
        If the device is not there, or `side` is not a positive multiple of 32.
    FileNotFoundError
        If the weights are not there.
    """

    name = "clicknet"
    capabilities = Capabilities(frozenset({"point", "box", "scribble", "lasso"}), trainable=True)

    def __init__(
        self,
        device: str = "auto",
        weights: Path | None = None,
        side: int = 320,
        encoding: Encoding = "disk",
    ) -> None:
        import torch
        from safetensors.torch import load_file

        from napari_promptseg.backends.models.clicknet import ClickNet

        if side <= 0 or side % _STRIDE:
            raise ValueError(f"side must be a positive multiple of {_STRIDE}, got {side}")
        path = weights or shipped_weights()
        if not path.exists():
            raise FileNotFoundError(f"no weights of ClickNet at {str(path)!r}")
        self.device = pick_device(device)
        self.identity = f"clicknet {hashlib.sha256(path.read_bytes()).hexdigest()}"
        self.side, self.encoding = side, encoding
        net = ClickNet()
        net.load_state_dict(load_file(path))
        self.net = net.eval().to(self.device).to(memory_format=torch.channels_last)

    def embed(self, image: PlaneImage) -> PlaneImage:
        """Return the plane itself: prompts enter the network beside the image."""
        return image

    def view_shape(self, image: PlaneImage) -> tuple[int, int]:
        """Return rows and columns that the network sees: square pixels, multiples of 32."""
        extent = [n * s for n, s in zip(image.shape, image.spacing, strict=True)]
        scale = self.side / max(extent)
        rows, columns = (max(_STRIDE, round(e * scale / _STRIDE) * _STRIDE) for e in extent)
        return rows, columns

    def predict(
        self,
        embedding: PlaneImage,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        import torch

        shape = self.view_shape(embedding)
        image = stretch_contrast(embedding.rgb(shape)).transpose(2, 0, 1)[None]
        maps = self._maps(prompts, prior, embedding.shape, shape)[None]
        with torch.inference_mode():
            tensors = (
                torch.from_numpy(np.ascontiguousarray(a)).to(
                    self.device, memory_format=torch.channels_last
                )
                for a in (image, maps)
            )
            answer = self.net(*tensors).sigmoid()[0, 0].cpu().numpy()
        return Prediction.whole(resize(answer, embedding.shape))

    def _maps(
        self,
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None,
        source: tuple[int, int],
        shape: tuple[int, int],
    ) -> Float32:
        """Draw the prompts of a plane of shape `source` in the pixels of the network."""
        scale = np.array(shape) / np.array(source)

        def moved(path: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((path + 0.5) * scale - 0.5)

        strokes = [
            Stroke(moved(s.path), s.positive, s.width * float(scale.mean()))
            for s in prompts.strokes
        ]
        regions = [Region(moved(r.vertices), r.positive, r.box) for r in prompts.regions]
        resized = None if prior is None else resize(prior, shape).astype(np.float32)
        return encode(strokes, regions, resized, shape, encoding=self.encoding)

    def close(self) -> None:
        """Free the network."""
        del self.net
