"""`scripts/count-language`: counts on a small folder, and limits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "count-language"


def count(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *options, folder], capture_output=True, text=True, check=False
    )


def test_variables_parameters_and_riddles_are_counted(tmp_path) -> None:
    (tmp_path / "a.py").write_text(
        '"""What is told."""\n\n\ndef f(kept, mask):\n    found = kept\n    return found\n',
        encoding="utf-8",
    )
    result = count(tmp_path, "--list", "--check")
    assert "a.py:1: What is told." in result.stdout
    assert "a.py:4: kept" in result.stdout
    assert "a.py:5: found" in result.stdout
    assert "participle variables: 2," in result.stdout
    assert result.returncode == 1


def test_nouns_of_the_field_and_sides_of_a_box_are_no_participles(tmp_path) -> None:
    (tmp_path / "a.py").write_text(
        '"""Crop of an image."""\n\n\ndef f(left, top, done, total):\n    return left\n',
        encoding="utf-8",
    )
    result = count(tmp_path, "--check")
    assert "participle variables: 0," in result.stdout
    assert result.returncode == 0


def test_signals_are_events_and_no_variables(tmp_path) -> None:
    (tmp_path / "a.py").write_text(
        '"""A widget."""\n\n\nclass W:\n    changed = Signal()\n    renamed = 1\n', encoding="utf-8"
    )
    assert "participle variables: 1," in count(tmp_path).stdout


def test_the_package_and_its_tests_keep_to_the_rules() -> None:
    source = count(ROOT / "src" / "napari_promptseg", "--list", "--check")
    assert source.returncode == 0, source.stdout
    tests = count(ROOT / "tests", "--list")
    assert "participle variables: 0," in tests.stdout, tests.stdout
    assert "riddle docstrings: 0\n" in tests.stdout, tests.stdout
