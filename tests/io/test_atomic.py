from __future__ import annotations

import os
import stat
import sys

import pytest

from napari_promptseg.io.atomic import atomic_target


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
