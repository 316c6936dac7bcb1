"""Planes are embedded once: for later clicks, other sessions, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from helpers import ToyBackend, plane_image
from napari_promptseg.data.plane_prompts import PlanePrompts, Stroke
from napari_promptseg.data.volume import Volume
from napari_promptseg.models.backends.sam import SamBackend
from napari_promptseg.models.embedding_store import EmbeddingStore
from napari_promptseg.session.session import Session
from napari_promptseg.wrappers.embedding_cache import EmbeddingCache
from napari_promptseg.wrappers.options import Refinement
from tiny_sam import tiny_sam

VOLUME = np.random.default_rng(0).integers(0, 256, (6, 40, 50), np.uint8)
CLICK = PlanePrompts((Stroke(np.array([[20.0, 20.0]])),))


class Counting(SamBackend):
    """Counts how often it embeds."""

    def __init__(self) -> None:
        super().__init__("cpu", model=tiny_sam())
        self.embedded = 0

    def embed(self, image):
        self.embedded += 1
        return super().embed(image)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def open_(backend: Counting, volume=VOLUME) -> Session:
    return Session(volume, backend, refinement=Refinement())


def test_a_second_click_and_a_second_session_embed_nothing() -> None:
    backend = Counting()
    session = open_(backend)
    session.add_point((2, 20, 20))
    session.add_point((2, 10, 10))
    assert backend.embedded == 1
    again = Counting()
    other = open_(again)
    other.add_point((2, 20, 20))
    other.add_point((2, 10, 10))
    assert again.embedded == 0, "it was on disk"
    np.testing.assert_array_equal(session.mask, other.mask)


def test_a_changed_image_window_or_model_embeds_anew() -> None:
    open_(Counting()).add_point((2, 20, 20))
    variant = VOLUME.copy()
    variant[2, 0, 0] ^= 1
    for volume in (variant, Volume(VOLUME, axes="zyx")):
        backend = Counting()
        open_(backend, volume).add_point((2, 20, 20))
        assert backend.embedded == int(volume is variant)
    backend = Counting()
    session = open_(backend)
    session.set_window("ct-bone")
    session.add_point((2, 20, 20))
    assert backend.embedded == 1
    other = SamBackend("cpu", model=tiny_sam().apply(_move))
    assert other.identity != Counting().identity


def _move(module) -> None:
    if hasattr(module, "bias") and module.bias is not None:
        module.bias.data += 0.1


def test_memory_has_a_budget(folder) -> None:
    backend = Counting()
    one = 32 * 4 * 4 * 4  # bytes of an embedding of the tiny model
    cached = EmbeddingCache(backend, budget=2 * one)
    for index in (0, 1, 2, 0):
        cached.embed(plane_image(VOLUME[index]))
    assert cached._bytes <= 2 * one
    assert backend.embedded == 3, "the first came back from disk"
    np.testing.assert_array_equal(
        cached.predict(cached.embed(plane_image(VOLUME[0])), CLICK).probability,
        backend.predict(backend.embed(plane_image(VOLUME[0])), CLICK).probability,
    )
    cached.close()


def test_planes_are_prepared_outward_and_only_once() -> None:
    backend = Counting()
    steps = list(open_(backend).prepare(1, 5, near=3))
    assert [step.plane.index[0] for step in steps] == [3, 2, 4, 1]
    assert all(step.computed for step in steps)
    assert [step.done for step in steps] == [1, 2, 3, 4]
    again = Counting()
    assert [step.computed for step in open_(again).prepare()] == [
        index in (0, 5) for index in (3, 2, 4, 1, 5, 0)
    ]
    assert again.embedded == 2


@pytest.mark.parametrize("span", [(4, 2), (0, 7), (-1, 3)])
def test_ranges_that_are_not_there_are_refused(span) -> None:
    with pytest.raises(ValueError, match="not within 0 to 6"):
        open_(Counting()).prepare(*span)


def test_backends_that_embed_quickly_have_nothing_to_prepare() -> None:
    with pytest.raises(ValueError, match="nothing to prepare"):
        Session(VOLUME, ToyBackend()).prepare()
    with pytest.raises(ValueError, match="embedding_type"):
        EmbeddingCache(ToyBackend())


def test_only_the_planes_asked_for_are_read() -> None:
    dask = pytest.importorskip("dask.array")
    read = []

    def block(block_info=None):
        index = block_info[None]["chunk-location"][0]
        read.append(index)
        return VOLUME[index : index + 1]

    lazy = dask.map_blocks(block, chunks=((1,) * 6, (40,), (50,)), dtype=np.uint8)
    list(open_(Counting(), Volume(lazy, axes="zyx", window=None)).prepare(2, 4))
    assert set(read) <= {2, 3}


def test_after_a_kill_finished_planes_are_not_embedded_again(folder) -> None:
    code = textwrap.dedent("""
        import sys
        sys.path[:0] = [sys.argv[1], sys.argv[2]]
        from test_embedding_cache import Counting, open_
        for step in open_(Counting()).prepare():
            print(step.done, flush=True)
    """)
    here = os.path.dirname(__file__)
    process = subprocess.Popen(
        [sys.executable, "-c", code, here, os.path.dirname(here)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "3":
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    finished = len(EmbeddingStore(folder))
    assert finished >= 3
    backend = Counting()
    list(open_(backend).prepare())
    assert backend.embedded == 6 - finished
