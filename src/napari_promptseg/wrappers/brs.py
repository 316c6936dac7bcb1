"""Feature backpropagating refinement (f-BRS) of the answer until every click holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.geometry import nearest_pixel
from napari_promptseg.models.batching import stages_of
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Backend, Float32, Prediction
    from napari_promptseg.models.batching import Query
    from napari_promptseg.models.stage import Stage

Pixels = dict[tuple[int, int], bool]
_MARGIN: Final = 0.5  # logit that a click is brought to: p = 0.62, so that resizing spares it
_PENALTY: Final = 1e-3  # weight of the squared distance from scale 1 and bias 0
_MAX_EVALUATIONS: Final = 20  # of the loss
_DISK: Final = 0.007  # radius of a painted click, relative to the longer side


class Brs(Wrapper):
    """Enforces the clicks on the mask: f-BRS (Sofiiuk et al. 2020, arXiv:2001.10331).

    Where a click is violated, the scale and bias of each channel of the last features are
    fitted by L-BFGS until all clicks hold, with a penalty on the distance from the unmodified
    features. Only the light head of the network runs again. Clicks that the fit leaves
    violated are painted as small disks, so every click holds in the end. Of two clicks on one
    pixel the later one holds. Scribbles take part in the fit, but their pixels are not
    enforced, because they are drawn by hand.

    The fit restarts at every click, so a prediction depends on its prompts and prior alone,
    and undo restores the previous mask.

    Parameters
    ----------
    backend : Backend
        The wrapped backend; must be differentiable.

    Raises
    ------
    ValueError
        If the backend is not differentiable.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        if not backend.capabilities.differentiable:
            raise ValueError(
                f"brs needs a backend that gradients flow through, {backend.name!r} is none"
            )

    def predict_many(self, queries: Sequence[Query]) -> list[Prediction]:
        """See `Batched.predict_many`; the fits are made one by one."""
        stages = stages_of(self.backend, queries)
        return [_enforced(s, query.prompts) for s, query in zip(stages, queries, strict=True)]


def _enforced(stage: Stage, prompts: PlanePrompts) -> Prediction:
    """Return the answer of a stage in which every click holds."""
    answer = stage.answer()
    clicks = _clicks(prompts, answer)
    if _violations(answer.probability, clicks):
        answer = stage.answer(_fit(stage, prompts))
        _paint(answer.probability, clicks)
    return answer


def _clicks(prompts: PlanePrompts, answer: Prediction) -> Pixels:
    """Return the clicked pixels of the prediction, and whether each click is positive."""
    clicks = {}
    height, width = answer.probability.shape
    for stroke in prompts.strokes:
        row, column = (nearest_pixel(p) for p in stroke.path[0])
        row, column = row - answer.rows[0], column - answer.columns[0]
        if len(stroke.path) == 1 and 0 <= row < height and 0 <= column < width:
            clicks[row, column] = stroke.positive
    return clicks


def _violations(probability: Float32, clicks: Pixels) -> Pixels:
    return {at: on for at, on in clicks.items() if bool(probability[at] > 0.5) != on}


def _fit(stage: Stage, prompts: PlanePrompts) -> NDArray[np.float64]:
    """Return the smallest modulation of the features for which all strokes hold."""
    from scipy.optimize import fmin_l_bfgs_b

    paths = np.concatenate([stroke.path for stroke in prompts.strokes])
    sides = np.concatenate([[1.0 if s.positive else -1.0] * len(s.path) for s in prompts.strokes])
    origin = np.array([stage.rows[0], stage.columns[0]])
    probe = stage.at(np.clip((paths - origin + 0.5) / stage.shape, 0, 1))

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits, pullback = probe.linearize(values)
        violation = np.maximum(_MARGIN - sides * logits, 0)
        total = np.square(violation).mean() + _PENALTY * np.square(values).sum()
        gradient = pullback(-2 * sides * violation / len(sides)) + 2 * _PENALTY * values
        return float(total), gradient

    best: NDArray[np.float64] = fmin_l_bfgs_b(
        loss, np.zeros(2 * probe.channels), maxfun=_MAX_EVALUATIONS
    )[0]
    return best


def _paint(probability: Float32, clicks: Pixels) -> None:
    """Paint clicks that are still violated as disks, in place; other clicks in them still hold."""
    radius = max(1.0, _DISK * max(probability.shape))
    reach = int(radius)
    for (row, column), on in _violations(probability, clicks).items():
        part = probability[
            max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
        ]
        down, right = np.ogrid[tuple(slice(0, n) for n in part.shape)]
        down, right = down - min(row, reach), right - min(column, reach)
        part[down**2 + right**2 <= radius**2] = float(on)
    for at, on in _violations(probability, clicks).items():
        probability[at] = float(on)
