from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from helpers import ToyBackend, bright, ellipsoid, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke, box_region
from napari_promptseg.models.backends.clicknet import ClickNetBackend
from napari_promptseg.models.batching import Query, predict_many, stages_of
from napari_promptseg.models.engines import ENGINES
from napari_promptseg.wrappers.options import Refinement, build
from napari_promptseg.wrappers.zoom import ZoomIn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend, Prediction

ROUNDING = 2e-4
"""Largest difference of a probability in a batch."""


def click(row: float, column: float, positive: bool = True) -> Stroke:
    return Stroke(np.array([[row, column]], float), positive)


def varied_queries() -> list[Query]:
    """Queries of different planes, shapes, kinds of prompts and priors."""
    rng = np.random.default_rng(0)
    wide = bright(
        ellipsoid((90, 160), (40, 70), (20, 30)) | ellipsoid((90, 160), (60, 130), (9, 9))
    )
    noisy = np.clip(wide + rng.normal(0, 12, wide.shape), 0, 255).astype(np.uint8)
    tall = bright(ellipsoid((150, 60), (100, 30), (25, 14)))
    first, second = plane_image(noisy), plane_image(tall, (2.0, 1.0))
    prior = ellipsoid((90, 160), (42, 73), (17, 25))
    return [
        Query(first, PlanePrompts((click(40, 70),))),
        Query(second, PlanePrompts((click(100, 30), click(40, 30, False)))),
        Query(first, PlanePrompts((click(60, 130),))),
        Query(first, PlanePrompts((click(44, 95),)), prior),
        Query(second, PlanePrompts(regions=(box_region((70, 12), (128, 48)),))),
        Query(first, PlanePrompts((click(40, 70),), choice=2)),
        Query(first, PlanePrompts(), prior),
        Query(first, PlanePrompts((click(5, 5, False),))),
    ]


def one_by_one(backend: Backend, queries: Sequence[Query]) -> list[Prediction]:
    return [backend.predict(q.embedding, q.prompts, q.prior) for q in queries]


def assert_alike(batch: Sequence[Prediction], single: Sequence[Prediction]) -> None:
    for together, alone in zip(batch, single, strict=True):
        assert (together.rows, together.columns) == (alone.rows, alone.columns)
        np.testing.assert_allclose(together.probability, alone.probability, atol=ROUNDING)
        assert together.score == pytest.approx(alone.score, abs=ROUNDING)


@pytest.mark.parametrize("engine", sorted({*ENGINES} - {"bfloat16"}))
def test_a_batch_of_the_network_answers_as_one_by_one(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine != "onnx":
        pytest.importorskip("torch")
    monkeypatch.setenv("PROMPTSEG_ENGINE", engine)
    backend, queries = ClickNetBackend("cpu", side=96), varied_queries()
    assert_alike(predict_many(backend, queries), one_by_one(backend, queries))


@pytest.mark.parametrize("spec", ["clicknet", "clicknet+multiscale+flips", "grabcut"])
def test_a_batch_through_wrappers_answers_as_one_by_one(spec: str) -> None:
    backend, queries = build(spec, device="cpu"), varied_queries()
    together = predict_many(
        backend, [Query(backend.embed(q.embedding), q.prompts, q.prior) for q in queries]
    )
    alone = [backend.predict(backend.embed(q.embedding), q.prompts, q.prior) for q in queries]
    assert_alike(together, alone)


class CountingBackend(ToyBackend):
    """A toy that keeps how many queries came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        self.batches.append(len(queries))
        return one_by_one(self, queries)


def scattered(count: int) -> tuple[PlaneImage, list[Query]]:
    """A plane with small discs, and a click on each."""
    centres = [(40 + 80 * (i % 5), 40 + 80 * (i // 5)) for i in range(count)]
    shape = (440, 80 * (count // 5) + 120)
    discs = [ellipsoid(shape, centre, (8, 8 + i % 3)) for i, centre in enumerate(centres)]
    image = plane_image(bright(np.any(discs, 0)))
    return image, [Query(image, PlanePrompts((click(*centre),))) for centre in centres]


def test_wrapped_predictions_take_their_steps_together() -> None:
    toy, (image, queries) = CountingBackend(), scattered(10)
    empty = Query(image, PlanePrompts((click(3, 3, False),)))  # one look alone
    answers = build(toy, Refinement(zoom=True, cleanup=True)).predict_many([*queries, empty])  # type: ignore[attr-defined]
    assert toy.batches == [11, 10]
    assert [int(a.mask.sum()) > 100 for a in answers] == [True] * 10 + [False]


def test_few_predictions_are_in_memory_at_a_time() -> None:
    toy, (_, queries) = CountingBackend(), scattered(25)
    ZoomIn(toy).predict_many(queries)
    assert max(toy.batches) == 16
    assert sum(toy.batches) == 50


def test_a_backend_without_batches_is_asked_in_turn() -> None:
    toy, (_, queries) = ToyBackend(), scattered(5)
    assert_alike(predict_many(toy, queries), one_by_one(ToyBackend(), queries))
    assert len(toy.looks) == 5


def test_no_query_has_no_answer() -> None:
    assert predict_many(build("clicknet", device="cpu"), []) == []


def test_stages_come_in_order_whatever_their_shapes() -> None:
    backend, queries = ClickNetBackend("cpu", side=64), varied_queries()
    for query, stage in zip(queries, stages_of(backend, queries), strict=True):
        alone = backend.stage(query.embedding, query.prompts, query.prior)
        assert stage.shape == alone.shape
        np.testing.assert_allclose(stage.logits(), alone.logits(), atol=2e-3)
