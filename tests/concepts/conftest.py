from __future__ import annotations

import pytest

from napari_promptseg.concepts import proposing


@pytest.fixture(autouse=True)
def fewer_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen discs need no hundreds of clicks."""
    monkeypatch.setattr(proposing, "_FIRST_SEEDS", 40)
    monkeypatch.setattr(proposing, "_SECOND_SEEDS", 60)
