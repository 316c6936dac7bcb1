"""Uncertainty of a network on a plane, and the click that reduces it most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.resize import resize
from napari_promptseg.models.encoding.prompt_maps import draw_stroke
from napari_promptseg.models.stage import Float64, sigmoid
from napari_promptseg.wrappers.base import stage_of

if TYPE_CHECKING:
    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.models.base import Backend

Float32 = NDArray[np.float32]
_BAND: Final = 0.15  # half width of the rim that is searched, relative to the object's size
_SPREAD: Final = 0.1  # of the smoothing, likewise: a broad doubt counts more than a sharp edge
_APART: Final = 0.1  # least distance to what was clicked, likewise
_DOUBT: Final = 0.1  # least uncertainty that is worth a click


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Uncertainty of a network about the pixels of a plane.

    Parameters
    ----------
    values : (h, w) float32 array
        In [0, 1], inside `rows` and `columns`; 0 outside of them.
    probability : (h, w) float32 array
        Mean probability of the object.
    rows, columns : (int, int)
        Half-open ranges of the plane.
    """

    values: Float32
    probability: Float32
    rows: tuple[int, int]
    columns: tuple[int, int]

    def paste(self, shape: tuple[int, int]) -> Float32:
        """Return the values for a whole plane."""
        whole = np.zeros(shape, np.float32)
        whole[slice(*self.rows), slice(*self.columns)] = self.values
        return whole


def measure_uncertainty(
    backend: Backend,
    embedding: Any,
    prompts: PlanePrompts,
    prior: NDArray[np.bool_] | None = None,
    passes: int = 16,
    rate: float = 0.3,
) -> Uncertainty:
    """Ask a network many times with random channels switched off; see how far it varies.

    Monte-Carlo dropout (Gal and Ghahramani 2016, arXiv:1506.02142) on the last features:
    only the light part of the network behind them runs again. A network that was trained
    without dropout can be asked too (Ledda et al. 2023, arXiv:2302.02761). The value is
    the predictive entropy in bits: 1 where the mean probability is a half.

    Parameters
    ----------
    backend : Backend
        Must be differentiable.
    embedding, prompts, prior
        See `Backend.predict`.
    passes : int
        Answers that are compared.
    rate : float
        Share of the channels that are switched off.

    Raises
    ------
    ValueError
        If the backend is not differentiable.
    """
    if not backend.capabilities.differentiable:
        raise ValueError(
            f"uncertainty needs a network that can stop half way, {backend.name!r} has none"
        )
    stage = stage_of(backend, embedding, prompts, prior)
    rng = np.random.default_rng(0)
    total = np.zeros((), np.float32)
    for _ in range(passes):
        total = total + sigmoid(stage.logits(_dropout(stage.channels, rate, rng)))
    mean = resize(np.asarray(total / passes, np.float32), stage.shape)
    return Uncertainty(_entropy(mean), mean, stage.rows, stage.columns)


def _dropout(channels: tuple[int, ...], rate: float, rng: np.random.Generator) -> Float64:
    """Return the modulation that switches a share of the channels off and scales the others."""
    parts = []
    for count in channels:
        scale = (rng.random(count) >= rate) / (1 - rate)
        parts += [scale - 1, np.zeros(count)]
    return np.concatenate(parts)


def _entropy(probability: Float32) -> Float32:
    """Entropy in bits."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    bits = inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)
    return np.asarray(np.clip(-bits, 0, 1), np.float32)


def suggest_click(
    uncertainty: Uncertainty, mask: NDArray[np.bool_], prompts: PlanePrompts
) -> tuple[tuple[int, int], bool] | None:
    """Return where a click would tell the network most: in a broad doubt near the border.

    Parameters
    ----------
    uncertainty : Uncertainty
        Of the plane.
    mask : (H, W) bool array
        The present mask.
    prompts : PlanePrompts
        Those given; no click is suggested on or beside their strokes.

    Returns
    -------
    ((row, column), positive) or None
        A pixel and the side it probably is on. None where there is no mask or no doubt.
    """
    part = mask[slice(*uncertainty.rows), slice(*uncertainty.columns)]
    size = float(np.sqrt(part.sum()))
    if not size:
        return None
    smooth = cv2.GaussianBlur(uncertainty.values, (0, 0), max(_SPREAD * size, 0.5))
    far = _distance(part, uncertainty, prompts)
    rim = _depth(part) + _depth(~part) <= max(_BAND * size, 2.0)
    candidates = np.where(rim & (far > max(_APART * size, 2.0)), smooth, 0.0)
    row, column = (int(i) for i in np.unravel_index(candidates.argmax(), part.shape))
    if candidates[row, column] < _DOUBT:
        return None
    positive = bool(uncertainty.probability[row, column] > 0.5)
    return (row + uncertainty.rows[0], column + uncertainty.columns[0]), positive


def _depth(mask: NDArray[np.bool_]) -> Float32:
    """Distance to the other side of the border, 0 on it."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _distance(part: NDArray[np.bool_], uncertainty: Uncertainty, prompts: PlanePrompts) -> Float32:
    """Distance of every pixel to the nearest stroke."""
    raster = np.zeros(part.shape, np.uint8)
    local = prompts.mapped(offset=(-uncertainty.rows[0], -uncertainty.columns[0]))
    for stroke in local.strokes:
        draw_stroke(raster, stroke, 0.5)
    if not raster.any():
        return np.full(part.shape, np.inf, np.float32)
    return _depth(raster == 0)
