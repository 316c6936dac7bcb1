"""Inputs that `scripts/fuzz` found worth keeping: each way through the code, each bug of before."""

from __future__ import annotations

import pytest

from fuzz_targets import CORPUS, TARGETS, run

INPUTS = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_are_taken_or_refused(name: str) -> None:
    inputs = [path for path in INPUTS if path.parent.name == name]
    answers = [run(name, path.read_bytes()) for path in inputs]
    assert any(answers)
    assert not all(answers)


def test_the_corpus_is_small() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert sum(path.stat().st_size for path in INPUTS) < 200_000
