"""The shipped networks on a CUDA device: they answer as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers import ellipsoid
from napari_promptseg import Session, Volume
from napari_promptseg.models.backends.volumenet import VolumeModel
from napari_promptseg.models.encoding.stack_maps import GIVEN, PlaneKnowledge
from napari_promptseg.models.registry import create_backend

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
OFF_CENTRE = ellipsoid((20, 96, 120), (8, 40, 70), (6, 20, 28))
DIFFERENCE = 0.02
"""Largest difference of a probability between float32 arithmetic of both devices."""


def _volume() -> Volume:
    noise = np.random.default_rng(0).normal(0, 12, OFF_CENTRE.shape)
    return Volume(np.clip(90 + 70 * OFF_CENTRE + noise, 0, 255).astype(np.uint8), "zyx")


def test_clicks_are_answered_alike() -> None:
    sessions = [
        Session(_volume(), create_backend("clicknet", device=device)) for device in ("cpu", "cuda")
    ]
    for position, positive in [((8, 40, 70), True), ((8, 44, 90), True), ((8, 12, 20), False)]:
        for session in sessions:
            session.add_point(position, positive=positive)
        on_cpu, on_cuda = (session.mask[8] for session in sessions)
        assert on_cpu.any()
        overlap = (on_cpu & on_cuda).sum() / max((on_cpu | on_cuda).sum(), 1)
        assert overlap > 0.99


def test_stacks_are_answered_alike() -> None:
    rng = np.random.default_rng(1)
    images, gaps = rng.random((6, 64, 64, 3), np.float32), np.full(6, 0.03, np.float32)
    planes = [PlaneKnowledge() for _ in images]
    planes[2] = PlaneKnowledge(
        mask=OFF_CENTRE[8, 8:72, 40:104].astype(np.float32), reliability=GIVEN
    )
    on_cpu, on_cuda = (
        VolumeModel(device).answer(images, planes, gaps) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_cuda, on_cpu, atol=DIFFERENCE)
