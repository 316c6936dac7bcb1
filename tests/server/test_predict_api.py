"""Planes that a server predicts on: their size, how long they stay, and what the model is asked."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
import pytest

from helpers import ToyBackend
from napari_promptseg.data.array_codec import pack
from napari_promptseg.remote.protocol import Line, PlaneAnswered, PlaneOffer, PlaneQuestion
from napari_promptseg.server.predict_api import Planes, answer_pieces

IMAGE = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9)
PRIOR = np.zeros(IMAGE.shape, bool)
PRIOR[2:4, 5:8] = True
CLICK = Line(path=((2.0, 6.0),), positive=True)


class Recorder(ToyBackend):
    """Notes the masks that it starts from."""

    def __init__(self) -> None:
        super().__init__()
        self.priors: list[np.ndarray | None] = []

    def predict(self, embedding, prompts, prior=None):
        self.priors.append(prior)
        return super().predict(embedding, prompts, prior)


def offer(image: np.ndarray = IMAGE, shape: tuple[int, ...] | None = None) -> PlaneOffer:
    return PlaneOffer(
        shape=image.shape if shape is None else shape,
        dtype=image.dtype.str,
        window=(0.0, 255.0),
        spacing=(1.0, 2.0),
        data=b64encode(pack(image)),
    )


def test_the_prior_reaches_the_model_and_none_is_none() -> None:
    backend = Recorder()
    planes = Planes(lambda: backend)
    planes.put("a", offer())
    planes.answer("a", PlaneQuestion(strokes=(CLICK,)))
    assert backend.priors.pop() is None
    packed = b64encode(pack(PRIOR))
    planes.answer("a", PlaneQuestion(strokes=(CLICK,), prior=packed))
    np.testing.assert_array_equal(backend.priors.pop(), PRIOR)


def test_the_plane_used_longest_ago_goes_first() -> None:
    planes = Planes(Recorder)
    for key in "abcdefgh":
        planes.put(key, offer())
    question = PlaneQuestion(strokes=(CLICK,))
    planes.answer("a", question)
    planes.put("i", offer())
    planes.answer("a", question)
    with pytest.raises(FileNotFoundError, match="'b'"):
        planes.answer("b", question)


def test_a_plane_of_more_than_256_mib_is_refused_before_it_is_unpacked() -> None:
    planes = Planes(Recorder)
    with pytest.raises(ValueError, match=f"may have {2**28} bytes, this has {2**28 + 2**14}"):
        planes.put("a", offer(shape=(2**14 + 1, 2**14)))
    with pytest.raises(ValueError, match="expected"):  # of the right size, but not its data
        planes.put("a", offer(shape=(2**14, 2**14)))


@pytest.mark.parametrize("size", [0, 3 * 2**18, 2**21 + 1])
def test_an_answer_is_sent_in_small_pieces(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    reply = PlaneAnswered.model_construct(rows=(1, 4), columns=(0, 7), score=0.25, data=data)
    pieces = list(answer_pieces(reply))
    assert PlaneAnswered.model_validate_json(b"".join(pieces)) == reply
    assert max(map(len, pieces)) <= 2**20
