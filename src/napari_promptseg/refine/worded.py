"""Words for backends that know none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_promptseg.refine.wrapper import Wrapper

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_promptseg.backends.base import Backend, Capabilities, Prediction
    from napari_promptseg.core.plane_prompts import PlanePrompts
    from napari_promptseg.core.volume import PlaneImage


class Worded(Wrapper):
    """Answers a word by another model; clicks decide from there.

    Parameters
    ----------
    backend : Backend
        Answers clicks, from the map of the word as the mask to start from.
    words : Backend
        Understands text.
    """

    def __init__(self, backend: Backend, words: Backend) -> None:
        super().__init__(backend)
        self.words = words

    @property
    def capabilities(self) -> Capabilities:
        """Those of the backend, and text."""
        able = self.backend.capabilities
        return replace(able, prompts=able.prompts | {"text"})

    def embed(self, image: PlaneImage) -> tuple[Any, PlaneImage]:
        """Embed a plane for the backend, and keep it for the words."""
        return self.backend.embed(image), image

    def predict(
        self,
        embedding: tuple[Any, PlaneImage],
        prompts: PlanePrompts,
        prior: NDArray[np.bool_] | None = None,
    ) -> Prediction:
        """See `Backend.predict`."""
        inner, image = embedding
        others = replace(prompts, text=None)
        if not prompts.text or (others and prior is not None):
            return self.backend.predict(inner, others, prior)
        named = self.words.predict(self.words.embed(image), prompts)
        if not others:
            return named
        found = named.paste(image.shape) > 0.5
        able = self.backend.capabilities.prior
        return self.backend.predict(inner, others, found if able and found.any() else None)
