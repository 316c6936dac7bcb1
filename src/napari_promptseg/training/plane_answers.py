"""Answers of ClickNet to clicks on single planes, from which VolumeNet learns to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.backends.clicknet import ClickNetBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import Stroke

_UNIT: Final = Window(0.0, 1.0)
_SIDE: Final = 192
"""Side of the input of the network; the crops of stacks have fewer pixels."""


class PlaneAnswers:
    """The shipped ClickNet on the planes of training stacks.

    Its mistakes are what propagation starts from: it leaks along borders that one plane does not
    show, and takes a part for the whole, in ways that no rule imitates.
    """

    def __init__(self) -> None:
        self._backend = ClickNetBackend("cpu", side=_SIDE)

    def predict(
        self,
        image: NDArray[np.float32],
        strokes: Sequence[Stroke],
        prior: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.bool_]:
        """Return the mask that a user would get for strokes on a plane.

        Parameters
        ----------
        image : (H, W, 3) float32 array
            Values in [0, 1].
        strokes : sequence of Stroke
            In pixels of the plane; at least one.
        prior : (H, W) bool array, optional
            Mask that the strokes correct.

        Returns
        -------
        (H, W) bool array
            The mask; it may be empty.
        """
        plane = PlaneImage(image, _UNIT)
        mask = None if prior is None or not prior.any() else prior
        answer = self._backend.predict(plane, PlanePrompts(tuple(strokes)), mask)
        return answer.paste(plane.shape) > 0.5
