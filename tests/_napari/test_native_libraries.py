from __future__ import annotations

import os
import sys

import pytest

from napari_promptseg._napari import native_libraries


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("torch", "triton"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)


@pytest.mark.parametrize(
    ("maps", "is_hidden"),
    [("7f r-xp /usr/lib/libLLVM-15.so.1\n", True), ("7f r-xp /usr/lib/libGLX_nvidia.so\n", False)],
)
def test_triton_is_hidden_from_mesa_only(tmp_path, monkeypatch, maps, is_hidden):
    (tmp_path / "maps").write_text(maps)
    monkeypatch.setattr(native_libraries, "_MAPS", tmp_path / "maps")
    native_libraries.prepare_for_torch()
    assert ("triton" in sys.modules) == is_hidden
    if is_hidden:
        with pytest.raises(ImportError):
            import triton  # noqa: F401
    sys.modules.pop("triton", None)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_nothing_is_done_without_need(tmp_path, monkeypatch):
    monkeypatch.setattr(native_libraries, "_MAPS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "torch", sys)
    native_libraries.prepare_for_torch()
    assert "triton" not in sys.modules
    assert "OMP_WAIT_POLICY" not in os.environ


def test_a_choice_of_the_user_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(native_libraries, "_MAPS", tmp_path / "none")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    native_libraries.prepare_for_torch()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
