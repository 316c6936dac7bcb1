"""Saved sessions and journals with anything in them: an error that says so, or a session."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import ToyBackend, make_scene
from napari_promptseg.session.persistence import arrays, header, records
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = (ValueError, OSError)
_BYTES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def saved_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    session = Session(make_scene("zyx").data, ToyBackend())
    session.add_point((4, 11, 14))
    session.propagate(2, 7).run()
    session.commit("one")
    session.add_box((5, 1, 1), (5, 4, 9))
    session.save(folder / "a.promptseg")
    session.keep_journal(folder / "journal")
    session.end_journal()
    return folder


def opened(read) -> None:
    """Read; what can be read can be worked on."""
    try:
        session = read()
    except ALLOWED:
        return
    session.undo()
    session.add_point((4, 11, 14))
    assert session.mask.shape == session.labels.shape


@given(_BYTES)
def test_damaged_bytes_of_a_saved_session(saved_folder, tmp_path, changes) -> None:
    content = bytearray((saved_folder / "a.promptseg").read_bytes())
    for at, value in changes:
        content[int(at * len(content))] = value
    file = tmp_path / "damaged"
    file.write_bytes(content)
    opened(lambda: Session.load(file, backend=ToyBackend()))


@given(st.floats(0, 1))
def test_cut_saved_sessions(saved_folder, tmp_path, share) -> None:
    content = (saved_folder / "a.promptseg").read_bytes()
    file = tmp_path / "cut"
    file.write_bytes(content[: int(share * len(content))])
    opened(lambda: Session.load(file, backend=ToyBackend()))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


def replaced(value, path: list, new):
    """Put something else at a random place of a JSON value."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    result = value.copy()
    result[key] = replaced(value[key], path[1:], new)
    return result


_PATH = st.lists(st.integers(0, 50), min_size=1, max_size=7)


@settings(max_examples=60)
@given(st.sampled_from([header.HEADER, records.HISTORY]), st.integers(0, 20), _PATH, _JSON)
def test_other_content_with_right_checksums(saved_folder, tmp_path, part, line, path, new) -> None:
    """Content written on purpose: each line is checked, not only its checksum."""
    folder = tmp_path / "journal"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved_folder / "journal", folder)
    file = folder / part
    if part == header.HEADER:
        value = replaced(json.loads(file.read_text()), path, new)
        file.write_text(json.dumps(value))
    else:
        lines = file.read_bytes().splitlines()
        number = line % len(lines)
        value = replaced(json.loads(lines[number].split(b" ", 1)[1]), path, new)
        body = json.dumps(value).encode()
        lines[number] = b"%08x %s" % (zlib.crc32(body), body)
        file.write_bytes(b"\n".join(lines) + b"\n")
    opened(lambda: Session.recover(folder, make_scene("zyx").data, ToyBackend()))


def test_pickles_are_not_read(saved_folder, tmp_path) -> None:
    marker = tmp_path / "touched"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    np.save(tmp_path / "evil.npy", np.array([Evil()], object), allow_pickle=True)
    with zipfile.ZipFile(saved_folder / "a.promptseg") as source:
        parts = {name: source.read(name) for name in source.namelist()}
    parts[arrays.IMAGE] = (tmp_path / "evil.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "evil.promptseg", "w") as target:
        for name, content in parts.items():
            target.writestr(name, content)
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        Session.load(tmp_path / "evil.promptseg", backend=ToyBackend())
    assert not marker.exists()
