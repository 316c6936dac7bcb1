"""Training episodes of InstanceNet: one crop each, without prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.intensity_window import stretch_contrast
from napari_promptseg.training.data.crops_instances import InstanceSample

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class InstanceEpisode:
    """A crop and the maps of its objects; see `napari_promptseg.training.tasks.Episode`."""

    sample: InstanceSample

    @property
    def image(self) -> NDArray[np.float32]:
        """(S, S, 3) values in [0, 1], of full contrast."""
        return stretch_contrast(self.sample.image.astype(np.float32) / np.float32(255))

    @property
    def truth(self) -> NDArray[np.float32]:
        """(MAP_CHANNELS, S/2, S/2) maps of the objects."""
        return self.sample.maps

    def maps(self) -> NDArray[np.float32]:
        """Return no map: nothing is prompted."""
        return np.zeros((0, *self.sample.image.shape[:2]), np.float32)

    def correct(self, probability: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Leave the episode as it is: recipes of this network set ``persistence = 0``."""
