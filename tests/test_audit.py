"""The audit of the locked packages without a connection."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "audit"


@pytest.fixture
def audit():
    loader = importlib.machinery.SourceFileLoader("audit", str(SCRIPT))
    spec = importlib.util.spec_from_loader("audit", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_without_a_connection_it_says_that_it_did_not_run(audit, capsys) -> None:
    assert audit.main(["--offline"]) == 3
    message = capsys.readouterr().err
    assert message.startswith("NOT AUDITED")
    assert "0 vulnerable. Nothing is known about the others." in message


def test_what_the_pinned_list_knows_fails(audit, capsys) -> None:
    assert audit.compare({"fsspec": "2025.1.0", "pillow": "11.0", "other": "1"}) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("fsspec 2025.1.0: ")
    assert "pillow" not in captured.out
    assert "Of 3 packages, 2 were compared" in captured.err


def test_advisories_that_answer_decide(audit, monkeypatch) -> None:
    monkeypatch.setattr(audit, "ask", lambda: 0)
    assert audit.main([]) == 0
