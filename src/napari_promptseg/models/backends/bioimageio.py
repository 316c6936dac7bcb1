"""Models of the BioImage Model Zoo (bioimage.io) as a backend, through `bioimageio.core`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.models.automatic import AutomaticBackend
from napari_promptseg.models.bioimageio.zoo_model import ZooModel
from napari_promptseg.models.catalog import find_model, list_zoo
from napari_promptseg.models.tensor_files import weights_identity

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import PlaneImage


class BioimageioBackend(AutomaticBackend):
    """A zoo model from a 2D image to labels or to probabilities of objects and their rims.

    Parameters
    ----------
    device : str
        "auto" or "cpu"; the weights run on the CPU.
    variant : str, optional
        Key of an installed package; the first when not given.
    weights : Path, optional
        Path of a package outside the models folder.

    Raises
    ------
    ImportError
        If `bioimageio.core` is not installed; the message names the extra.
    FileNotFoundError
        If no package is installed; the message says how to add one.
    ValueError
        If there is no such package, its tensors do not fit, or the device is another one.
    """

    name = "bioimageio"

    def __init__(
        self, device: str = "auto", variant: str = "", weights: Path | None = None
    ) -> None:
        if device not in ("auto", "cpu"):
            raise ValueError(f"{self.name} runs on the CPU, got {device!r}; valid: auto, cpu")
        path = weights or _installed(variant)
        self._model = ZooModel(path)
        self.device = "cpu"
        self.identity = weights_identity(self.name, path)

    def segment_everything(self, image: PlaneImage) -> NDArray[np.int32]:
        """See `Everything.segment_everything`."""
        return self._model.labels(image)

    def close(self) -> None:
        """Free the network."""
        self._model.close()


def _installed(variant: str) -> Path:
    """Return the package of a key, or the first one."""
    find_model(BioimageioBackend.name)
    paths = {model.variant: model.path for model in list_zoo().values()}
    path = paths.get(variant or min(paths, default=""))
    if path is None:
        raise ValueError(f"no package {variant!r} of bioimage.io; valid: {sorted(paths)}")
    return path
