"""Files of strangers, damaged files and failing disks: nothing is opened, lost or misread."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import warnings
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from helpers import Snapshot, ToyBackend, make_scene
from napari_promptseg.data.errors import CorruptFileError
from napari_promptseg.data.masks import unpack_mask
from napari_promptseg.data.prompts import MaskPrompt
from napari_promptseg.io import read
from napari_promptseg.session.persistence import arrays, containers, header, journal, records
from napari_promptseg.session.persistence.checksums import CHECKSUMS
from napari_promptseg.session.persistence.origin import ORIGIN
from napari_promptseg.session.propagation import writer
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLIPS = int(os.environ.get("PROMPTSEG_FAULTS", "543"))
"""Bits of a saved session that are flipped, all over it; see `test_faults.py`."""


def begun(**options) -> Session:
    session = Session(make_scene("zyx").data, ToyBackend(), **options)
    session.add_point((4, 11, 14))
    session.commit("first")
    session.add_point((6, 10, 13))
    return session


def load(path: Path, **options) -> Session:
    return Session.load(path, backend=ToyBackend(), **options)


def recovered_copy(folder: Path) -> Session:
    """Recover as after a kill, from a copy: the journal itself is still written to."""
    copy = folder.with_name(f"copy-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy)
    return Session.recover(copy, backend=ToyBackend())


def assert_same(session: Session, expected: Session) -> None:
    assert not Snapshot.of(session).differences(Snapshot.of(expected))
    assert session.history == expected.history


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a saved session as a stranger would, with other parts and without checksums."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    del parts[CHECKSUMS], parts[ORIGIN]
    change(parts)
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target


# A session file is data


@pytest.fixture
def saved_file(tmp_path: Path) -> Path:
    (tmp_path / "saved").mkdir()
    begun().save(tmp_path / "saved" / "a.promptseg")
    return tmp_path / "saved" / "a.promptseg"


def with_source(saved_file: Path, source: str) -> Path:
    def change(parts: dict[str, bytes]) -> None:
        parts.pop(arrays.IMAGE)
        fields = {**json.loads(parts[header.HEADER]), "source": source}
        parts[header.HEADER] = json.dumps(fields).encode()

    return rewritten(saved_file, saved_file.parent.parent / "foreign" / "a.promptseg", change)


@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.1:9/refs",
        "s3://bucket/image.zarr",
        "reference://::http://127.0.0.1:9/refs",
        "simplecache::memory://image.zarr",
        "zip://inner.npy::/etc/passwd",
        "image\0.npy",
    ],
)
@pytest.mark.parametrize("open_source", [False, True])
def test_a_header_opens_no_url(
    saved_file: Path, monkeypatch, source: str, open_source: bool
) -> None:
    sources: list[object] = []
    monkeypatch.setattr(read, "open_volume", sources.append)
    with pytest.raises(PermissionError, match="opens no URL"):
        load(with_source(saved_file, source), open_source=open_source)
    assert sources == []


def test_a_path_is_opened_beside_the_file_or_with_consent(saved_file: Path, tmp_path: Path) -> None:
    image = tmp_path / "elsewhere.npy"
    np.save(image, make_scene("zyx").data)
    foreign = with_source(saved_file, str(image))
    with pytest.raises(PermissionError, match=r"written by somebody else.*open_source=True"):
        load(foreign)
    with pytest.raises(PermissionError, match="written by somebody else"):
        load(with_source(saved_file, str(foreign.parent / ".." / "elsewhere.npy")))
    link = foreign.parent / "link.npy"
    link.symlink_to(image)
    with pytest.raises(PermissionError, match="written by somebody else"):
        load(with_source(saved_file, str(link)))
    assert load(with_source(saved_file, str(image)), open_source=True).volume.shape == (9, 24, 28)
    shutil.copy(image, foreign.parent / "image.npy")
    beside = with_source(saved_file, str(foreign.parent / "image.npy"))
    assert load(beside).volume.shape == (9, 24, 28)


@pytest.mark.parametrize(
    "source", ["//host/share/a.npy", "\\\\host\\share\\a.npy", "/net/host/a.npy"]
)
def test_a_path_elsewhere_is_not_even_looked_up(saved_file: Path, monkeypatch, source: str) -> None:
    """On some systems, to look is to ask another machine."""
    foreign, real = with_source(saved_file, source), os.stat

    def stat(path, *arguments, **options):
        assert "host" not in str(path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises((PermissionError, FileNotFoundError)):
        load(foreign)


def test_a_pipe_beside_the_file_is_no_image(saved_file: Path) -> None:
    foreign = with_source(saved_file, str(saved_file.parent.parent / "foreign" / "pipe.npy"))
    os.mkfifo(foreign.parent / "pipe.npy")
    with pytest.raises(FileNotFoundError, match="is not there"):
        load(foreign)


def test_own_files_open_their_image_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "work").mkdir()
    image = tmp_path / "images" / "image.npy"
    np.save(image, make_scene("zyx").data)
    session = Session(image, ToyBackend(), journal=tmp_path / "work" / "journal")
    session.add_point((4, 11, 14))
    session.save(tmp_path / "work" / "a.promptseg")
    session.end_journal()
    assert_same(load(tmp_path / "work" / "a.promptseg"), session)
    again = Session.recover(tmp_path / "work" / "journal", backend=ToyBackend())
    assert_same(again, session)


def npy(shape: tuple[int, ...], content: bytes) -> bytes:
    file = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, described)
    return file.getvalue() + content


@pytest.mark.parametrize("part", [arrays.IMAGE, arrays.LABELS])
@pytest.mark.parametrize(
    "content",
    [npy((2**30, 2**20), b""), npy((9, 24, 28), b"\0" * 7000), npy((9, 24, 28), b"\0" * 40)],
    ids=["huge", "longer", "shorter"],
)
def test_arrays_are_refused_before_they_are_allocated(saved_file: Path, part: str, content) -> None:
    foreign = rewritten(
        saved_file, saved_file.parent / "b.promptseg", lambda parts: parts.update({part: content})
    )
    with pytest.raises(CorruptFileError, match="array"):
        load(foreign)


def test_a_stored_image_has_a_limit(saved_file: Path, monkeypatch) -> None:
    monkeypatch.setattr(arrays, "EMBED_LIMIT", 6000)
    with pytest.raises(CorruptFileError, match="at most 6000 bytes"):
        load(saved_file)


def test_zeros_take_no_memory() -> None:
    shape = (4, 2**14, 2**14)
    file = io.BytesIO(npy((1, 2**26), bytes(2**26)))
    before = psutil.Process().memory_info().rss
    array = arrays.read_array(file, (1, 2**26), "|u1")
    assert psutil.Process().memory_info().rss - before < 2**25
    assert array.shape == (1, 2**26)
    with pytest.raises(CorruptFileError, match="ends after"):
        arrays.read_array(io.BytesIO(npy(shape, b"")), shape, "|u1")


def test_a_history_that_unpacks_to_far_too_much_is_refused(saved_file: Path, monkeypatch) -> None:
    monkeypatch.setattr(containers, "_HISTORY_BYTES", 10_000)

    def change(parts: dict[str, bytes]) -> None:
        parts[records.HISTORY] = parts[records.HISTORY] + b" " * 10_000_000

    bomb = rewritten(saved_file, saved_file.parent / "bomb.promptseg", change)
    with pytest.raises(CorruptFileError, match="would unpack from"):
        load(bomb)


@pytest.mark.parametrize(
    ("prompt", "match"),
    [
        ({"kind": "point", "position": [4, 1e300, 2]}, "outside of an image"),
        ({"kind": "scribble", "path": [[4, 2, 2], [4, -9e9, 2]]}, "outside of an image"),
        ({"kind": "box", "low": [4, 2, 2], "high": [4, 2, 1e18]}, "outside of an image"),
        ({"kind": "mask", "index": [10**9, None, None], "shape": [24, 28], "bits": ""}, "outside"),
    ],
)
def test_prompts_of_a_file_lie_in_its_image(saved_file: Path, prompt: dict, match: str) -> None:
    def change(parts: dict[str, bytes]) -> None:
        lines = parts[records.HISTORY].splitlines()
        record = json.loads(lines[0][9:])
        record["change"]["draft"][1]["prompts"].append(prompt)
        body = json.dumps(record).encode()
        lines[0] = b"%08x %s" % (zlib.crc32(body), body)
        parts[records.HISTORY] = b"\n".join(lines) + b"\n"

    with pytest.raises(CorruptFileError, match=match):
        load(rewritten(saved_file, saved_file.parent / "b.promptseg", change))


def test_checksums_of_anything_are_damage(saved_file: Path) -> None:
    with zipfile.ZipFile(saved_file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[CHECKSUMS] = b"[" * 4000
    with zipfile.ZipFile(saved_file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(CorruptFileError, match="not valid"):
        load(saved_file)


@pytest.mark.parametrize("part", [records.HISTORY, header.HEADER, arrays.IMAGE, CHECKSUMS, "lock"])
def test_a_journal_of_somebody_else_leads_to_no_file_of_the_user(tmp_path: Path, part: str) -> None:
    begun(journal=tmp_path / "journal").end_journal()
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    (tmp_path / "journal" / part).unlink()
    (tmp_path / "journal" / part).symlink_to(mine)
    with pytest.raises(PermissionError, match="link or a device"):
        Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert part == arrays.IMAGE or journal.list_kept(tmp_path) == []
    with pytest.raises((PermissionError, FileExistsError)):
        begun().keep_journal(tmp_path / "journal")
    assert mine.read_bytes() == b"precious"


@pytest.mark.parametrize("part", [records.HISTORY, "lock"])
def test_a_second_name_of_a_file_of_the_user_is_not_written_to(tmp_path: Path, part: str) -> None:
    begun(journal=tmp_path / "journal").end_journal()
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    (tmp_path / "journal" / part).unlink()
    os.link(mine, tmp_path / "journal" / part)
    with suppress(PermissionError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = Session.recover(tmp_path / "journal", backend=ToyBackend())
        session.add_point((2, 9, 12))
    assert mine.read_bytes() == b"precious"


def test_a_line_has_a_limit(saved_file: Path, monkeypatch) -> None:
    monkeypatch.setattr(records, "_LINE_BYTES", 100)
    monkeypatch.setattr(records, "_BYTES_PER_VOXEL", 0)
    with pytest.raises(CorruptFileError, match="has more than 100 bytes"):
        load(saved_file)


def test_a_mask_unpacks_to_its_plane_and_no_further() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(10_000_000))).decode()
    with pytest.raises(ValueError, match="a part of 39 bytes was expected"):
        unpack_mask(MaskPrompt((4, None, None), (24, 13), bomb))


# Damage is said


def test_no_flipped_bit_is_read_in_silence(saved_file: Path, tmp_path: Path) -> None:
    content, expected = saved_file.read_bytes(), load(saved_file)
    state = Snapshot.of(expected)
    rejections = 0
    for number in range(0, 8 * len(content), max(1, 8 * len(content) // FLIPS) | 1):
        damaged = bytearray(content)
        damaged[number // 8] ^= 1 << number % 8
        file = tmp_path / "flipped"
        file.write_bytes(damaged)
        try:
            session = load(file)
        except CorruptFileError:
            rejections += 1
            continue
        assert not Snapshot.of(session).differences(state), f"bit {number}"
        assert session.history == expected.history, f"bit {number}"
        np.testing.assert_array_equal(session.volume.data, expected.volume.data)
    assert rejections > 0.7 * min(FLIPS, 8 * len(content))


def test_a_part_that_is_gone_is_missed(saved_file: Path) -> None:
    with zipfile.ZipFile(saved_file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts.pop(arrays.IMAGE)
    with zipfile.ZipFile(saved_file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(CorruptFileError, match="lists"):
        load(saved_file)


def test_a_lost_commit_leaves_no_stray_pixels(tmp_path: Path) -> None:
    session = begun(journal=tmp_path / "journal")
    session.commit("second")
    session.add_point((2, 9, 12))
    history = tmp_path / "journal" / records.HISTORY
    lines = history.read_bytes().splitlines(keepends=True)
    session.end_journal()
    history.write_bytes(lines[0] + b"x" + lines[1][1:] + b"".join(lines[2:]))
    with pytest.warns(UserWarning, match=r"damaged at lines \[2\]"):
        again = Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert [item.name for item in again.objects.values()] == ["second"]
    np.testing.assert_array_equal(again.mask, session.mask)
    assert "restore after damage" in again.history
    again.end_journal()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(Session.recover(tmp_path / "journal", backend=ToyBackend()), again)


# One writer


_RECOVERER = """
import sys
import numpy as np
from napari_promptseg import Session
Session.recover(sys.argv[1], np.zeros((9, 24, 28), np.uint8), "grabcut")
"""


def test_no_other_process_recovers_what_is_written_to(tmp_path: Path) -> None:
    session = begun(journal=tmp_path / "journal")
    (tmp_path / "link").symlink_to(tmp_path / "journal")
    before = (tmp_path / "journal" / records.HISTORY).read_bytes()
    command = [sys.executable, "-c", _RECOVERER, str(tmp_path / "link")]
    other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BlockingIOError: this journal is open in another window" in other.stderr
    assert (tmp_path / "journal" / records.HISTORY).read_bytes() == before
    session.commit("kept")
    assert_same(recovered_copy(tmp_path / "journal"), session)


def test_of_two_sessions_of_a_process_one_alone_writes_a_journal(tmp_path: Path) -> None:
    first = begun(journal=tmp_path / "journal")
    (tmp_path / "link").symlink_to(tmp_path / "journal")
    with pytest.warns(UserWarning, match="has the same state, and no journal"):
        second = Session.recover(tmp_path / "link", backend=ToyBackend())
    assert_same(second, first)
    assert second.journal is None
    second.commit("of the second")
    first.add_point((2, 9, 9))
    with pytest.raises(FileExistsError, match="holds a journal already"):
        second.keep_journal(tmp_path / "link")
    first.end_journal()
    assert_same(Session.recover(tmp_path / "journal", backend=ToyBackend()), first)


def test_two_sessions_of_a_process_do_not_write_one_file(tmp_path: Path) -> None:
    first, second = begun(), begun()
    first.save(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path / "link", tmp_path / "x" / ".." / "a"):
        with pytest.raises(BlockingIOError, match="is open in another window"):
            second.save(path)
    first.close()
    second.save(tmp_path / "link")


# Journal and memory agree


def failing(monkeypatch, name: str, number: int) -> None:
    """Let the n-th call of a function of `os` fail, as on a full disk."""
    real, calls = getattr(os, name), iter(range(1_000_000))

    def call(*arguments, **options):
        if next(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_disk_that_fails_at_any_call_leaves_journal_and_memory_alike(
    tmp_path: Path, monkeypatch, name: str, number: int
) -> None:
    monkeypatch.setattr(writer, "_SAVE_EVERY", 0.0)
    session = begun(journal=tmp_path / "journal")
    failing(monkeypatch, name, number)
    steps = [
        lambda: session.add_point((3, 11, 14)),
        lambda: session.propagate(2, 7).run(),
        session.undo,
        session.redo,
        session.commit,
        lambda: session.save(tmp_path / "saved"),
    ]
    for step in steps:
        try:
            step()
        except OSError:
            assert_same(recovered_copy(tmp_path / "journal"), session)
    monkeypatch.undo()
    session.add_point((5, 12, 12))
    assert_same(recovered_copy(tmp_path / "journal"), session)
    assert not [path for path in tmp_path.iterdir() if ".partial" in path.name]


def test_a_propagation_that_cannot_be_recorded_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(writer, "_SAVE_EVERY", 0.0)
    session = begun(journal=tmp_path / "journal")
    real = session._state.store.log

    def full(record) -> None:
        if record.kind == "done":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(record)

    monkeypatch.setattr(session._state.store, "log", full)
    with pytest.raises(OSError, match="No space left"):
        session.propagate().run()
    monkeypatch.undo()
    assert_same(recovered_copy(tmp_path / "journal"), session)
    session.add_point((2, 10, 10))
    session.commit("organ")
    assert_same(recovered_copy(tmp_path / "journal"), session)


@pytest.mark.parametrize("step", ["add", "undo", "propagate", "commit"])
def test_an_interrupt_leaves_journal_and_memory_alike(
    tmp_path: Path, monkeypatch, step: str
) -> None:
    session = begun(journal=tmp_path / "journal")
    before, names = Snapshot.of(session), session.history

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    store = session._state.store
    monkeypatch.setattr(store, "_confirm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        {
            "add": lambda: session.add_point((4, 1, 1)),
            "undo": session.undo,
            "propagate": lambda: session.propagate().run(),
            "commit": session.commit,
        }[step]()
    monkeypatch.undo()
    assert not before.differences(Snapshot.of(session))
    assert session.history == names
    assert_same(recovered_copy(tmp_path / "journal"), session)


def test_a_journal_that_could_not_begin_can_begin_later(tmp_path: Path, monkeypatch) -> None:
    session = begun()
    failing(monkeypatch, "replace", 1)
    with pytest.raises(OSError, match="No space left"):
        session.keep_journal(tmp_path / "journal")
    monkeypatch.undo()
    session.keep_journal(tmp_path / "journal")
    assert_same(recovered_copy(tmp_path / "journal"), session)


# Files of the user


def test_a_saved_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    session = begun()
    target = tmp_path / "target"
    target.touch(0o600)
    (tmp_path / "a").symlink_to(target)
    (tmp_path / "a.partial").write_text("of the user")
    session.save(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (tmp_path / "a.partial").read_text() == "of the user"
    assert_same(load(tmp_path / "a"), session)


def test_journals_are_for_their_owner_alone(tmp_path: Path) -> None:
    begun(journal=tmp_path / "journal")
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700
    for path in (tmp_path / "journal").iterdir():
        if path.name != "lock":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
