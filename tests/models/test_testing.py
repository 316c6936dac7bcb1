"""The check for backends: our own pass it, and it finds what is wrong with others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg.models.backends.sam import SamBackend
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.testing import check_backend
from tiny_sam import tiny_sam


@pytest.mark.parametrize("name", ["clicknet", "grabcut", "randomwalk"])
def test_what_ships_passes(name: str) -> None:
    check_backend(create_backend(name, device="cpu"))


def test_sam_passes() -> None:
    check_backend(SamBackend("cpu", model=tiny_sam()))


class Wrong(ToyBackend):
    """Answers as a test asks it to."""

    capabilities = Capabilities(frozenset({"point"}), prior=False)

    def __init__(self, change) -> None:
        super().__init__()
        self._change = change

    def predict(self, embedding, prompts, prior=None):
        return self._change(Prediction.whole(np.zeros(embedding.shape, np.float32)))


WRONG = {
    "not float32": lambda a: replace(a, probability=a.probability.astype(float)),
    "for a box of": lambda a: replace(a, rows=(0, 1)),
    "no numbers": lambda a: replace(a, probability=a.probability * np.float32(np.nan)),
    "values from": lambda a: replace(a, probability=a.probability + 2),
    "a score of": lambda a: replace(a, score=-1.0),
    "of a plane": lambda a: replace(
        a, rows=(-1, len(a.probability) - 1), probability=a.probability
    ),
    "answers differently": lambda a: replace(
        a, probability=np.random.default_rng().random(a.probability.shape, np.float32)
    ),
}


@pytest.mark.parametrize(("message", "change"), WRONG.items(), ids=WRONG.keys())
def test_wrong_answers_are_found(message: str, change) -> None:
    with pytest.raises(AssertionError, match=message):
        check_backend(Wrong(change))


def test_wrong_claims_are_found() -> None:
    backend = Wrong(lambda answer: answer)
    backend.capabilities = Capabilities(frozenset({"point", "thought"}))
    with pytest.raises(AssertionError, match="thought"):
        check_backend(backend)
    backend.capabilities = Capabilities(frozenset({"point"}), costly_embedding=True)
    with pytest.raises(AssertionError, match="embedding_type"):
        check_backend(backend)
    with pytest.raises(AssertionError, match="lacks a part"):
        check_backend(object())
