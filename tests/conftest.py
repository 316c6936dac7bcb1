"""Shared by all tests: `helpers` can be imported, and property tests are reproducible."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

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
