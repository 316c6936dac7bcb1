from __future__ import annotations

import pytest

from napari_promptseg.few_shot import proposals


@pytest.fixture(autouse=True)
def fewer_clicks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dozen discs need no hundreds of clicks."""
    monkeypatch.setattr(proposals, "_FIRST_SEEDS", 40)
    monkeypatch.setattr(proposals, "_SECOND_SEEDS", 60)
