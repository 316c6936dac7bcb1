"""Fixtures of all tests, and the Hypothesis profiles "dev" (repeatable) and "ci-fresh"."""

from __future__ import annotations

import gc
import sys
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = [] if find_spec("fastapi") else ["server"]

_ALWAYS = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("dev", derandomize=True, max_examples=30, **_ALWAYS)
# `--hypothesis-profile ci-fresh --hypothesis-seed N`: other examples with every seed.
settings.register_profile("ci-fresh", max_examples=60, print_blob=True, **_ALWAYS)
settings.load_profile("dev")


@pytest.fixture(scope="session", autouse=True)
def napari_is_imported() -> None:
    """Import what napari's pytest plugin imports anyway: its warnings belong to no test."""
    with warnings.catch_warnings(), suppress(ImportError, RuntimeError):
        warnings.simplefilter("ignore")
        import napari._qt  # noqa: F401
    # What is imported stays: each collection, and napari's plugin asks for two a viewer, is a
    # tenth of the time of a test of the dock otherwise.
    gc.collect()
    gc.freeze()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small networks lose more than they gain by more threads, above all on a busy machine."""
    if find_spec("torch") is None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer with one engine: which is the fastest depends on what else the machine does."""
    monkeypatch.setenv("PROMPTSEG_ENGINE", "onnx")


@pytest.fixture(autouse=True)
def user_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Keep journals and embeddings of the user of this machine out of the tests."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("PROMPTSEG_JOURNALS", str(folder / "journals"))
    monkeypatch.setenv("PROMPTSEG_CACHE", str(folder / "embeddings"))
    yield
    rmtree(folder, ignore_errors=True)
