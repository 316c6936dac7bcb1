"""Predictions of several objects of a plane in batches, each with the help of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_promptseg.data.geometry import Bounds, Crop
from napari_promptseg.models.batching import Query, predict_many
from napari_promptseg.models.validation import check_prompts, find_fault, is_out_of_memory
from napari_promptseg.session.regions_of_interest import crop_around
from napari_promptseg.wrappers.focus import focus, with_neighbors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_promptseg.data.geometry import Plane
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.models.base import Prediction
    from napari_promptseg.session.predictor import Predictor


def predict_each(
    predictor: Predictor,
    volume: Volume,
    plane: Plane,
    objects: Sequence[PlanePrompts],
    together: int,
) -> Iterator[Prediction]:
    """Yield the prediction of each of several objects of a plane, in batches.

    The prompts of the others tell how large an object may be and where it is not. Networks
    run at a lower resolution than for a single prompt, see `Predictor.batch_backend`.

    Parameters
    ----------
    predictor : Predictor
        Model.
    volume : Volume
        Image.
    plane : Plane
        Which plane.
    objects : sequence of PlanePrompts
        Prompts of each object, without text.
    together : int
        Predictions that are made at a time.

    Raises
    ------
    InvalidPromptError
        If the backend does not understand one of the prompts.
    OutOfMemoryError
        If there is too little memory for a batch even on the CPU.
    RuntimeError
        If an answer of the backend is none.
    """
    rows, columns = plane.shape_in(volume.shape)
    spacing = [volume.axis_spacing(axis) for axis in plane.in_plane]
    for prompts in objects:
        check_prompts(prompts, predictor.name, predictor.backend.capabilities.prompts)
    boxes = focus(objects, spacing, (rows, columns))
    if "point" in predictor.backend.capabilities.prompts:
        objects = with_neighbors(objects, spacing)
    questions = list(zip(objects, boxes, strict=True))
    for start in range(0, len(questions), together):
        group = questions[start : start + together]
        try:
            predictions = _predict(predictor, volume, plane, group)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            predictor.go_to_cpu()
            predictions = _predict(predictor, volume, plane, group)
        yield from predictions


def _predict(
    predictor: Predictor,
    volume: Volume,
    plane: Plane,
    questions: Sequence[tuple[PlanePrompts, Bounds | None]],
) -> list[Prediction]:
    """Return the prediction of each object, from its prompts and its focus."""
    rows, columns = plane.shape_in(volume.shape)
    backend, queries, crops = predictor.batch_backend, [], []
    for prompts, box in questions:
        if volume.is_large(plane):
            near = replace(prompts, step=1)
            crop = crop_around((rows, columns), near, near, box)
            embedding = predictor.embed(plane, crop, backend)
            queries.append(Query(embedding, prompts.cropped(crop), focus=_in_crop(box, crop)))
        else:
            crop = Crop.whole((rows, columns))
            queries.append(Query(predictor.embed(plane, None, backend), prompts, focus=box))
        crops.append(crop)
    predictions = []
    for prediction, crop in zip(predict_many(backend, queries), crops, strict=True):
        if fault := find_fault(prediction, crop.shape):
            raise RuntimeError(f"{backend.name} gave no answer: {fault}")
        predictions.append(prediction.moved(crop.rows[0], crop.columns[0]))
    return predictions


def _in_crop(box: Bounds | None, crop: Crop) -> Bounds | None:
    """Return a box of a plane in the pixels of a crop."""
    if box is None:
        return None
    ranges = zip(box, (crop.rows, crop.columns), strict=True)
    return tuple((max(a, c) - c, min(b, d) - c) for (a, b), (c, d) in ranges)
