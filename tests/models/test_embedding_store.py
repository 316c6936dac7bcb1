"""Embeddings on disk: found again, never stale, never wrong, never in the way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_promptseg.data.intensity_window import Window
from napari_promptseg.data.volume import PlaneImage
from napari_promptseg.models.embedding_store import (
    EmbeddingStore,
    cache_folder,
    embedding_bytes,
    embedding_key,
)


@dataclass(frozen=True)
class Embedding:
    features: NDArray[np.float32]
    finer: tuple[NDArray[np.float32], ...]
    shape: tuple[int, int]
    name: str


RNG = np.random.default_rng(0)
SOME = Embedding(
    RNG.random((1, 4, 3, 3), np.float32),
    (RNG.random((2, 2), np.float32), RNG.random(5, np.float32)),
    (30, 40),
    "some",
)
IMAGE = PlaneImage(RNG.integers(0, 255, (8, 9), np.uint8), Window(0, 255), (1.0, 2.0))


@pytest.fixture
def store(tmp_path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "cache")


def same(one: Embedding, other: Embedding) -> None:
    np.testing.assert_array_equal(one.features, other.features)
    for a, b in zip(one.finer, other.finer, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.shape, one.name) == (other.shape, other.name)


def test_what_is_written_is_read(store) -> None:
    assert store.read("ab", Embedding) is None
    store.write("ab", SOME)
    assert store.holds("ab")
    same(store.read("ab", Embedding), SOME)
    assert len(store) == 1
    assert store.size() > embedding_bytes(SOME) / 2
    store.clear()
    assert len(store) == 0
    assert store.read("ab", Embedding) is None


def test_a_second_writer_is_no_trouble(store) -> None:
    for _ in range(2):
        store.write("ab", SOME)
    same(EmbeddingStore(store.folder).read("ab", Embedding), SOME)
    assert [p.name for p in (store.folder / "ab").iterdir()] == ["ab.zarr"]


@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@settings(max_examples=60, deadline=None)
def test_damaged_entries_are_not_there(tmp_path_factory, place, value, cut) -> None:
    store = EmbeddingStore(tmp_path_factory.mktemp("cache"))
    store.write("ab", SOME)
    files = sorted(p for p in store.folder.rglob("*") if p.is_file())
    file = files[place % len(files)]
    content = bytearray(file.read_bytes())
    at = place % len(content)
    if cut:
        content = content[:at]
    else:
        content[at] = value
    file.write_bytes(bytes(content))
    entry = store.read("ab", Embedding)
    if entry is None:
        assert not store.holds("ab"), "it is written anew"
        store.write("ab", SOME)
        entry = store.read("ab", Embedding)
    same(entry, SOME)


def test_a_lost_file_is_noticed(store) -> None:
    for number in range(6):
        store.write("ab", SOME)
        files = sorted(p for p in store.folder.rglob("*") if p.is_file())
        files[number % len(files)].unlink()
        assert store.read("ab", Embedding) is None


@dataclass(frozen=True)
class Wider(Embedding):
    extra: int


def test_an_intact_entry_that_cannot_be_read_is_logged_and_kept(store, caplog) -> None:
    store.write("ab", SOME)
    assert store.read("ab", Wider) is None
    assert "cannot be read" in caplog.text
    assert "KeyError" in caplog.text
    same(store.read("ab", Embedding), SOME)


def test_a_missing_codec_costs_no_entry(store, monkeypatch, caplog) -> None:
    import zarr

    def missing(*_, **__):
        raise ImportError("no blosc")

    store.write("ab", SOME)
    with monkeypatch.context() as patch:
        patch.setattr(zarr, "open_group", missing)
        assert store.read("ab", Embedding) is None
    assert "no blosc" in caplog.text
    same(store.read("ab", Embedding), SOME)


def test_a_damaged_entry_is_deleted_and_logged(store, caplog) -> None:
    store.write("ab", SOME)
    file = max((p for p in store.folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1])
    assert store.read("ab", Embedding) is None
    assert "is damaged" in caplog.text
    assert not store.holds("ab")


def test_the_least_recently_used_go_first(store) -> None:
    import os

    store.write("aa", SOME)
    one = store.size()
    store.budget = int(3.5 * one)
    for number, key in enumerate(("bb", "cc")):
        store.write(key, SOME)
        os.utime(store.folder / key / f"{key}.zarr", (number, number))
    os.utime(store.folder / "aa" / "aa.zarr", (9, 9))
    store.write("dd", SOME)
    assert not store.holds("bb")
    assert store.holds("aa")
    assert store.holds("dd")
    assert store.size() <= store.budget


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EmbeddingStore(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="are not kept"):
        store.write("ab", SOME)
    store.write("ab", SOME)
    assert store.read("ab", Embedding) is None


def changed(image: PlaneImage, what: str) -> PlaneImage:
    values = image.values.copy()
    match what:
        case "pixel":
            values[3, 4] ^= 1
        case "type":
            values = values.astype(np.int16)
        case "shape":
            values = values.reshape(9, 8)
        case "window":
            return replace(image, window=Window(0, 200))
        case "spacing":
            return replace(image, spacing=(1.0, 1.0))
        case "channel":
            values = np.repeat(values[..., None], 3, 2)
    return replace(image, values=values)


@pytest.mark.parametrize("what", ["pixel", "type", "shape", "window", "spacing", "channel"])
def test_any_change_is_another_key(what) -> None:
    assert embedding_key("m", changed(IMAGE, what)) != embedding_key("m", IMAGE)


def test_another_model_is_another_key_and_the_same_is_the_same() -> None:
    assert embedding_key("m", IMAGE) != embedding_key("n", IMAGE)
    other = replace(IMAGE, values=np.asfortranarray(IMAGE.values))
    assert embedding_key("m", other) == embedding_key("m", IMAGE)


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "import numpy as np\n"
        "from napari_promptseg.models.embedding_store import embedding_key\n"
        "from napari_promptseg.data.intensity_window import Window\n"
        "from napari_promptseg.data.volume import PlaneImage\n"
        "values = np.arange(72, dtype=np.uint8).reshape(8, 9)\n"
        "print(embedding_key('m', PlaneImage(values, Window(0, 255), (1.0, 2.0))))"
    )
    here = PlaneImage(np.arange(72, dtype=np.uint8).reshape(8, 9), Window(0, 255), (1.0, 2.0))
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == embedding_key("m", here)


def test_the_folder_can_be_chosen(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PROMPTSEG_CACHE")
    assert cache_folder().parts[-2:] == ("napari-promptseg", "embeddings")
    assert isinstance(cache_folder(), Path)
