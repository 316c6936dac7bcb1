"""Backends for tests of the dock, registered by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from helpers import ToyBackend

if TYPE_CHECKING:
    from napari_promptseg.models.base import Prediction


class Toy(ToyBackend):
    """See `ToyBackend`."""

    def __init__(self, device: str = "auto") -> None:
        super().__init__()


class Slow(Toy):
    """Takes as long for a plane as a model does."""

    seconds = 0.05
    never = threading.Event()

    def predict(self, *args: Any, **kwargs: Any) -> Prediction:
        self.never.wait(self.seconds)
        return super().predict(*args, **kwargs)


class Broken(Toy):
    """Fails, but for the blank plane of the warm-up."""

    def predict(self, embedding: Any, *args: Any, **kwargs: Any) -> Prediction:
        if embedding.values.any():
            raise RuntimeError("the model is out of order")
        return super().predict(embedding, *args, **kwargs)
