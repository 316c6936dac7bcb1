"""Atomic replacement of files and folders."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from napari_promptseg.data.atomic_file import (
    atomic_target,
    private_opener,
    replacing,
    write_bytes,
)


def test_content_appears_only_at_the_end(tmp_path):
    path = tmp_path / "labels.txt"
    with atomic_target(path, ".txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["labels.txt"]


def test_error_leaves_target_and_no_litter(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("old")

    def fail():
        with atomic_target(path, overwrite=True) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["labels.txt"]


def test_existing_target_needs_overwrite(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite=True"), atomic_target(path):
        pytest.fail("nothing may be written")


def test_target_that_appears_while_writing_is_not_replaced(tmp_path):
    path = tmp_path / "labels.txt"

    def collide():
        with atomic_target(path) as temporary:
            temporary.write_text("mine")
            path.write_text("theirs")

    with pytest.raises(FileExistsError):
        collide()
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["labels.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_existing_file_keeps_its_mode(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("old")
    path.chmod(0o640)
    with atomic_target(path, overwrite=True) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text() == "new"


def test_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "labels.zarr"
    path.mkdir()
    (path / "old").touch()
    with atomic_target(path, ".zarr", overwrite=True) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["labels.zarr"]


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_the_new_file_is_as_private_as_the_former_one_from_the_first_byte(tmp_path):
    path = tmp_path / "saved"
    path.touch(0o600)
    with replacing(path) as file:
        (temporary,) = set(tmp_path.iterdir()) - {path}
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        file.write(b"new")
    assert path.read_bytes() == b"new"
    with open(tmp_path / "log", "a", opener=private_opener):
        assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    with replacing(tmp_path / "other", 0o600):
        pass
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o600


def test_a_file_never_takes_the_place_of_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").touch()
    with pytest.raises(IsADirectoryError, match="folder"):
        write_bytes(tmp_path / "folder", b"new")
    assert os.listdir(tmp_path / "folder") == ["precious"]


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
def test_a_kill_at_any_rename_leaves_the_old_or_the_new_folder(tmp_path, monkeypatch):
    path = tmp_path / "labels.zarr"
    path.mkdir()
    (path / "old").touch()

    def killed(*names):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", killed)
    with atomic_target(path, ".zarr", overwrite=True) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert os.listdir(path) == ["new"]
