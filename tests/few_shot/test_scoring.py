from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.few_shot.scoring import features, score_proposals

#        near  at    ring  peak  sure  like  dense own  scale usual solid familiar
DENSE = [0.90, 0.85, 0.15, 0.90, 0.90, 0.90, 0.81, 0.1, 0.0, 0.05, 0.97, 0.6]
CLICK = [0.85, 0.80, 0.30, 0.70, 0.60, 0.70, 0.00, 0.2, 0.2, 0.10, 0.95, 0.5]
OTHER = [0.10, 0.10, 0.05, 0.10, 0.70, 0.60, 0.40, -1.0, -0.2, -1.2, 0.9, -0.1]


def test_scores_are_those_of_the_shipped_weights():
    scores = score_proposals([DENSE, CLICK, OTHER])
    assert scores == pytest.approx([0.976, 0.920, 0.039], abs=2e-3)


def test_a_dense_score_is_compared_with_the_best_of_the_image():
    values = features(np.array([DENSE, CLICK, OTHER]))
    assert values.shape == (3, 13)
    best = 0.4 + 0.9 * (0.81 - 0.4)
    assert values[:, 12] == pytest.approx([0.81 - best, -best, 0.4 - best])


def test_without_candidates_there_are_no_scores():
    assert score_proposals([]).shape == (0,)
