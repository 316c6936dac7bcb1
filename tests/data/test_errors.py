"""Exceptions of the package are built-in exceptions too."""

from __future__ import annotations

import pytest

from napari_promptseg.data import errors


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (errors.InvalidPromptError, ValueError),
        (errors.CorruptFileError, ValueError),
        (errors.OutOfMemoryError, MemoryError),
    ],
)
def test_code_that_catches_built_in_exceptions_goes_on_to_work(kind, base) -> None:
    assert issubclass(kind, errors.PromptSegError)
    with pytest.raises(base, match="why"):
        raise kind("why")
