"""Files that version 0.1.0 wrote still load, with the values that were in them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from drawn_discs import draw_discs
from helpers import ToyBackend, make_scene
from napari_promptseg import Session
from napari_promptseg.few_shot import storage
from napari_promptseg.session.prompt_replay import read_saved

if TYPE_CHECKING:
    from napari_promptseg.data.prompts import Prompt

SAVED = Path(__file__).parents[1] / "data" / "saved_by_0_1"
EXPECTED = json.loads((SAVED / "expected.json").read_text(encoding="utf-8"))


def plain(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON has it, without the packed pixels of a mask."""
    values = json.loads(json.dumps(asdict(prompt)))
    values.pop("bits", None)
    return values


def assert_as_saved(session: Session, expected: dict[str, Any]) -> None:
    assert session.volume.axes == expected["axes"]
    assert list(session.volume.spacing or ()) == expected["spacing"]
    rest = tuple(range(1, session.mask.ndim))
    assert session.mask.sum(rest).tolist() == expected["mask_rows"]
    ids, counts = np.unique(session.labels[session.labels > 0], return_counts=True)
    assert {str(i): n for i, n in zip(ids, counts, strict=True)} == expected["labels"]
    assert [plain(p) for p in session.prompts] == expected["prompts"]
    assert {str(k) for k in session.objects} == expected["objects"].keys()
    for label, item in session.objects.items():
        expected_object = expected["objects"][str(label)]
        assert item.name == expected_object["name"]
        assert item.parent == expected_object["parent"]
        assert [p.kind for p in item.prompts] == expected_object["prompts"]
    assert list(session.history) == expected["history"]
    assert session.can_redo == expected["can_redo"]
    assert (session.draft.name, session.draft.label) == (
        expected["draft"]["name"],
        expected["draft"]["label"],
    )
    confidences = {str(list(p.index)): round(float(c), 3) for p, c in session.confidences.items()}
    assert confidences == expected["confidences"]


@pytest.mark.parametrize("name", ["volume", "series"])
def test_a_saved_session_loads(name: str) -> None:
    session = Session.load(SAVED / f"{name}.promptseg", backend=ToyBackend())
    assert_as_saved(session, EXPECTED[name])
    session.close()


def test_the_whole_history_can_be_undone_and_redone() -> None:
    session = Session.load(SAVED / "volume.promptseg", backend=ToyBackend())
    while session.can_redo:
        assert session.redo()
    steps = len(session.history)
    while session.undo():
        pass
    assert not session.mask.any()
    assert not session.labels.any()
    for _ in range(steps - 1):
        assert session.redo()
    assert_as_saved(session, EXPECTED["volume"])
    session.close()


class Choosing(ToyBackend):
    """The backend that the series was made with."""

    name = "choosing"
    capabilities = replace(ToyBackend.capabilities, choices=2)


def test_what_was_propagated_needs_no_second_answer() -> None:
    backend = Choosing()
    session = Session.load(SAVED / "series.promptseg", backend=backend)
    for _ in session.propagate():
        pass
    assert backend.looks == []
    assert session.mask.sum() == EXPECTED["series"]["mask"]
    session.close()


def test_a_journal_is_recovered(tmp_path: Path) -> None:
    shutil.copytree(SAVED / "journal", tmp_path / "journal")
    session = Session.recover(tmp_path / "journal", backend=ToyBackend())
    assert_as_saved(session, EXPECTED["volume"])
    session.add_point((4, 11, 14))
    assert session.mask[4].any(), "work goes on"
    session.close()


def test_prompts_of_a_saved_session_are_read_without_its_image() -> None:
    saved_session = read_saved(SAVED / "volume.promptseg")
    assert saved_session.backend == EXPECTED["volume"]["backend"]
    assert (saved_session.axes, saved_session.shape) == ("zyx", make_scene("zyx").data.shape)
    kinds = {prompt.kind for item in saved_session.objects for prompt in item.prompts}
    assert kinds == {"point", "box", "scribble", "lasso", "mask", "text"}


def test_a_class_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    path, expected = SAVED / "disc.safetensors", EXPECTED["class"]
    # Features of later weights mean something else; what is tested is how the file is read.
    monkeypatch.setattr(storage, "network_identity", lambda: expected["network"])
    concept = storage.load_class(path, "cpu")
    for name in ("name", "description", "note", "examples"):
        assert getattr(concept, name) == expected[name]
    assert list(concept.synonyms) == expected["synonyms"]
    assert concept.diameter == pytest.approx(expected["diameter"])
    assert len(concept.knowledge().samples.kinds) == expected["samples"]
    image, labels = draw_discs(1, size=64, count=3)
    proposed = concept.propose(image) > 0
    concept.close()
    assert proposed.shape == labels.shape
