"""Exchange of two folders in one step."""

from __future__ import annotations

import sys

import pytest

from napari_promptseg.data.exchange import exchange


@pytest.mark.skipif(sys.platform != "linux", reason="a call of Linux")
def test_folders_exchange_their_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of {name}").touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("the file system has no exchange")
    assert (tmp_path / "a" / "of b").exists()
    assert (tmp_path / "b" / "of a").exists()


def test_what_is_not_there_is_not_exchanged(tmp_path):
    (tmp_path / "a").mkdir()
    assert not exchange(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
