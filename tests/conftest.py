"""Shared by all tests: reproducible property tests, and a temporary home for nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "promptseg",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("promptseg")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)
