"""Conformance check for backends, for use in their own tests."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.plane_prompts import PlanePrompts, Region, Stroke, box_region
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.base import Backend, BackendTraits
from napari_promptseg.models.validation import find_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.models.base import Prediction


def check_backend(backend: Backend) -> None:
    """Check that a backend keeps to the protocol `Backend`.

    Parameters
    ----------
    backend : Backend
        An instance, ready to predict.

    Raises
    ------
    AssertionError
        If it violates the protocol; the message says where.
    """
    _require(isinstance(backend, Backend), "it lacks a part of Backend")
    _require(backend.name, "its name is empty")
    _require(backend.identity, "its identity is empty")
    capabilities = backend.capabilities
    _require(capabilities.prompts, "it understands no prompt")
    valid = {"point", "box", "scribble", "lasso", "text"}
    _require(
        capabilities.prompts <= valid,
        f"it claims to understand {sorted(capabilities.prompts - valid)}",
    )
    traits = BackendTraits.of(backend)
    if capabilities.costly_embedding:
        _require(is_dataclass(traits.embedding_type), "embedding_type is missing or no dataclass")
    _require(isinstance(traits.default_propagator, str), "default_propagator is no name")
    for image in _images():
        embedding = backend.embed(image)
        for what, prompts in _prompts(image.shape, capabilities.prompts):
            before = image.values.copy()
            answer = backend.predict(embedding, prompts)
            _check_answer(answer, image.shape, what)
            again = backend.predict(embedding, prompts)
            same = np.allclose(answer.paste(image.shape), again.paste(image.shape), atol=1e-4)
            _require(same, f"{what}: it answers differently when asked again")
            _require(np.array_equal(before, image.values), f"{what}: it changed the image")
        if capabilities.prior:
            prior = np.zeros(image.shape, bool)
            prior[4:12, 5:14] = True
            answer = backend.predict(embedding, PlanePrompts(), prior)
            _check_answer(answer, image.shape, "a prior alone")


def _require(condition: object, message: str) -> None:
    """Raise the message if a condition does not hold, also where assertions are switched off."""
    if not condition:
        raise AssertionError(message)


def _check_answer(answer: Prediction, shape: tuple[int, int], what: str) -> None:
    fault = find_fault(answer, shape)
    _require(not fault, f"{what}: {fault}")


def _images() -> Iterator[PlaneImage]:
    rng = np.random.default_rng(0)
    for shape, spacing in (((40, 56), (1.0, 1.0)), ((33, 21, 3), (2.0, 0.5))):
        yield PlaneImage(rng.integers(0, 256, shape, np.uint8), Window(0, 255), spacing)
    yield PlaneImage(np.full((24, 24), 7.0, np.float32), Window(0, 1), (1.0, 1.0))


def _prompts(shape: tuple[int, int], kinds: frozenset[str]) -> Iterator[tuple[str, PlanePrompts]]:
    middle = np.array([[shape[0] / 2, shape[1] / 2]])
    corner = np.array([[0.0, 0.0]])
    last = np.array([[shape[0] - 1.0, shape[1] - 1.0]])
    if "point" in kinds:
        yield "a click", PlanePrompts((Stroke(middle),))
        clicks = (Stroke(middle), Stroke(corner, positive=False), Stroke(last))
        yield "clicks at the corners", PlanePrompts(clicks)
        yield "a negative click alone", PlanePrompts((Stroke(middle, positive=False),))
    if "scribble" in kinds:
        yield "a scribble", PlanePrompts((Stroke(np.concatenate([corner, middle]), width=3.0),))
    if "box" in kinds:
        yield "a box", PlanePrompts(regions=(box_region((3, 3), (15, 17)),))
        yield "a negative box", PlanePrompts(regions=(box_region((3, 3), (9, 9), False),))
    if "lasso" in kinds:
        corners = np.array([[2.0, 2.0], [18.0, 4.0], [9.0, 16.0]])
        yield "a lasso", PlanePrompts(regions=(Region(corners),))
