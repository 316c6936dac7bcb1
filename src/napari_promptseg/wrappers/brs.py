"""Feature backpropagating refinement: every click holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import nearest_pixel
from napari_promptseg.wrappers.base import Wrapper, stage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Backend, Float32, Prediction
    from napari_promptseg.models.capabilities import Stage

Pixels = dict[tuple[int, int], bool]
_MARGIN: Final = 0.5  # logit that a click is brought to: p = 0.62, so that resizing spares it
_STAY: Final = 1e-3  # weight of staying near scale 1 and bias 0
_STEPS: Final = 20  # evaluations of the loss at most
_DISK: Final = 0.007  # radius of a painted click, relative to the longer side


class Brs(Wrapper):
    """Makes the answer keep to the clicks: f-BRS (Sofiiuk et al. 2020, arXiv:2001.10331).

    Where a click is violated, the scale and bias of each channel of the last features are
    fitted by L-BFGS until all clicks hold, staying near the plain answer. Only the light
    part of the network behind these features runs again. What the fit leaves violated is
    painted as a small disk, so in the end every click holds: its pixel is in the mask or
    out of it as was asked. Of two clicks on one pixel the later one holds. Scribbles take
    part in the fit, but are not held to every pixel: they are drawn by hand.

    The fit starts anew at every click, so an answer depends on nothing but its prompts and
    prior, and undo brings back what was there.

    Parameters
    ----------
    backend : Backend
        What is asked; must be differentiable.

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

    def predict(
        self, embedding: Any, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """See `Backend.predict`."""
        stage = stage_of(self.backend, embedding, prompts, prior)
        answer = stage.answer()
        clicks = _clicks(prompts, answer)
        if _violated(answer.probability, clicks):
            answer = stage.answer(_fit(stage, prompts))
            _paint(answer.probability, clicks)
        return answer


def _clicks(prompts: PlanePrompts, answer: Prediction) -> Pixels:
    """Pixels of the answer that were clicked, and whether they are on the object."""
    found = {}
    height, width = answer.probability.shape
    for stroke in prompts.strokes:
        row, column = (nearest_pixel(p) for p in stroke.path[0])
        row, column = row - answer.rows[0], column - answer.columns[0]
        if len(stroke.path) == 1 and 0 <= row < height and 0 <= column < width:
            found[row, column] = stroke.positive
    return found


def _violated(probability: Float32, clicks: Pixels) -> Pixels:
    return {at: on for at, on in clicks.items() if bool(probability[at] > 0.5) != on}


def _changed(features: tuple[Tensor, ...], parameters: Tensor) -> tuple[Tensor, ...]:
    """Features with scale ``1 + a`` and bias `b` on each channel."""
    changed, start = [], 0
    for feature in features:
        count = feature.shape[1]
        scale, bias = parameters[start : start + 2 * count].view(2, 1, count, 1, 1)
        changed.append(feature * (1 + scale) + bias)
        start += 2 * count
    return tuple(changed)


def _fit(stage: Stage, prompts: PlanePrompts) -> tuple[Tensor, ...]:
    """Find the features that bring all strokes to their side, near those of the stage."""
    import torch
    from scipy.optimize import fmin_l_bfgs_b

    paths = np.concatenate([stroke.path for stroke in prompts.strokes])
    sides = np.concatenate([[1.0 if s.positive else -1.0] * len(s.path) for s in prompts.strokes])
    origin = np.array([stage.rows[0], stage.columns[0]])
    seen = stage.at(np.clip((paths - origin + 0.5) / stage.shape, 0, 1))
    device = stage.features[0].device
    wanted = torch.as_tensor(sides, dtype=torch.float32, device=device)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.as_tensor(values, dtype=torch.float32, device=device)
        parameters.requires_grad_()
        logits = seen.logits(_changed(seen.features, parameters)).flatten()
        missed = (_MARGIN - wanted * logits).relu().square().mean()
        total = missed + _STAY * parameters.square().sum()
        (slope,) = torch.autograd.grad(total, parameters)
        return total.item(), slope.double().cpu().numpy()

    count = 2 * sum(feature.shape[1] for feature in stage.features)
    best, _, _ = fmin_l_bfgs_b(loss, np.zeros(count), maxfun=_STEPS)
    with torch.no_grad():
        parameters = torch.as_tensor(best, dtype=torch.float32, device=device)
        return _changed(stage.features, parameters)


def _paint(probability: Float32, clicks: Pixels) -> None:
    """Draw what is still violated as disks, in place; other clicks in them keep their side."""
    radius = max(1.0, _DISK * max(probability.shape))
    reach = int(radius)
    for (row, column), on in _violated(probability, clicks).items():
        part = probability[
            max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
        ]
        down, right = np.ogrid[tuple(slice(0, n) for n in part.shape)]
        down, right = down - min(row, reach), right - min(column, reach)
        part[down**2 + right**2 <= radius**2] = float(on)
    for at, on in _violated(probability, clicks).items():
        probability[at] = float(on)
