from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import ToyBackend
from napari_promptseg.models.base import Backend, BackendTraits, Prediction, certainty
from napari_promptseg.wrappers.base import Wrapper


def test_a_prediction_is_pasted_where_it_belongs() -> None:
    part = Prediction(np.full((2, 3), 0.7, np.float32), (1, 3), (4, 7), 0.9)
    whole = part.paste((5, 8))
    assert whole.shape == (5, 8)
    np.testing.assert_allclose(whole[1:3, 4:7], 0.7)
    whole[1:3, 4:7] = 0
    assert not whole.any()


def test_the_mask_is_what_is_likelier_than_not() -> None:
    values = np.array([[0.2, 0.5, 0.51]], np.float32)
    assert Prediction.whole(values).mask.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.0], 1.0), ([1.0, 0.0], 1.0), ([0.5, 0.5], 0.0), ([0.75, 0.0, 1.0], 0.75)],
    ids=str,
)
def test_certainty_looks_at_the_pixels_that_may_be_object(values, expected: float) -> None:
    answer = np.array([values], np.float32)
    assert certainty(answer) == pytest.approx(expected)
    assert Prediction.whole(answer).score == pytest.approx(expected)


def test_the_protocol_tells_backends_from_other_things() -> None:
    assert isinstance(ToyBackend(), Backend)
    assert not isinstance(object(), Backend)


def test_traits_that_a_backend_lacks_have_defaults() -> None:
    assert (
        BackendTraits.of(ToyBackend()) == BackendTraits.of(None) == BackendTraits("", "", None, "")
    )


def test_traits_are_read_also_through_wrappers() -> None:
    backend = ToyBackend()
    backend.device, backend.engine = torch.device("cpu"), "onnx"
    backend.embedding_type, backend.default_propagator = Prediction, "flow"
    assert BackendTraits.of(backend) == BackendTraits("cpu", "onnx", Prediction, "flow")
    # A wrapper may embed in another way, so the type is not that of the wrapped backend.
    assert BackendTraits.of(Wrapper(backend)) == BackendTraits("cpu", "onnx", None, "flow")


def test_the_score_of_a_whole_plane_can_be_given() -> None:
    assert Prediction.whole(np.array([[0.2, 0.9]], np.float32), 0.3).score == 0.3
