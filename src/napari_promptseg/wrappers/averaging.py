"""Several answers to one question as one: the mean of their probabilities."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_promptseg.models.base import Prediction
from napari_promptseg.models.capabilities import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

Flip = tuple[int, int]
"""Steps along rows and columns: 1, or -1 for a mirror image."""


def mean_answer(answers: Sequence[Prediction]) -> Prediction:
    """Return the mean over the box that holds all answers; outside of one there is nothing."""
    rows = min(a.rows[0] for a in answers), max(a.rows[1] for a in answers)
    columns = min(a.columns[0] for a in answers), max(a.columns[1] for a in answers)
    total = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), np.float32)
    for answer in answers:
        down, right = answer.rows[0] - rows[0], answer.columns[0] - columns[0]
        height, width = answer.probability.shape
        total[down : down + height, right : right + width] += answer.probability
    score = float(np.mean([answer.score for answer in answers]))
    return Prediction(total / np.float32(len(answers)), rows, columns, score)


def mean_stage(stages: Sequence[Stage], flips: Sequence[Flip]) -> Stage:
    """Return the stage whose answer is the mean of those of several stages.

    Parameters
    ----------
    stages : sequence of Stage
        Of one plane; their logits may have different resolutions.
    flips : sequence of Flip
        How the plane of each of them was mirrored.
    """
    first = stages[0]
    cuts = [0, *accumulate(len(stage.features) for stage in stages)]

    def logits(features: tuple[Tensor, ...]) -> Tensor:
        import torch
        from torch.nn.functional import interpolate

        parts = [features[start:stop] for start, stop in pairwise(cuts)]
        outputs = [stage.logits(part) for stage, part in zip(stages, parts, strict=True)]
        finest = max((output.shape[-2:] for output in outputs), key=lambda s: s[0] * s[1])
        probabilities = []
        for output, flip in zip(outputs, flips, strict=True):
            upright = output.flip(
                [axis for axis, step in zip((2, 3), flip, strict=True) if step < 0]
            )
            if upright.shape[-2:] != finest:
                upright = interpolate(upright, size=finest, mode="bilinear")
            probabilities.append(upright.sigmoid())
        return torch.logit(torch.stack(probabilities).mean(0), eps=1e-6)

    def probe(points: NDArray[np.float64]) -> Stage:
        seen = []
        for stage, flip in zip(stages, flips, strict=True):
            mirrored = [p if step > 0 else 1 - p for p, step in zip(points.T, flip, strict=True)]
            seen.append(stage.at(np.stack(mirrored, 1)))
        return mean_stage(seen, [(1, 1)] * len(seen))

    features = tuple(feature for stage in stages for feature in stage.features)
    return Stage(features, logits, first.rows, first.columns, probe)
