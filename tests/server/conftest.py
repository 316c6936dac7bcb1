"""Fixtures of a real server on a loopback port."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from server_place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    place = Place(tmp_path / "server")
    yield place
    place.stop()


@pytest.fixture
def make_place(tmp_path):
    """Return a server with quotas of its own."""

    @contextmanager
    def make(**quotas):
        place = Place(tmp_path / "server", **quotas)
        try:
            yield place
        finally:
            place.stop()

    return make


@pytest.fixture
def blobs() -> np.ndarray:
    data = np.full((12, 48, 64), 20, np.uint8)
    data[1:10, 8:24, 8:28] = 200
    data[1:10, 30:44, 36:58] = 180
    return data
