"""Words in a session: one step like any other prompt, from which clicks go on."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ALL_PROMPTS, Snapshot, ToyBackend
from napari_promptseg.data.prompts import PointPrompt, TextPrompt
from napari_promptseg.models import catalog
from napari_promptseg.models.base import Capabilities
from napari_promptseg.models.text_models import TextMatch
from napari_promptseg.session.session import Session

pytest.importorskip("transformers", reason="the extra 'text' is not installed")

from tiny_clipseg import write_clipseg

IMAGE = np.repeat(np.where(np.arange(60) < 30, 200, 20).astype(np.uint8)[None], 40, 0)
VOLUME = np.random.default_rng(0).integers(0, 255, (5, 40, 60), np.uint8)


class Clicks(ToyBackend):
    """Understands no words."""

    capabilities = Capabilities(ALL_PROMPTS - {"text"})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_clipseg(folder / "clipseg-rd64-refined")
    return folder


@pytest.fixture(autouse=True)
def ready(models, monkeypatch) -> None:
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(models))


def alone(image: np.ndarray, word: str) -> np.ndarray:
    """Return the mask that CLIPSeg as the only model finds."""
    session = Session(image, "clipseg", device="cpu")
    session.add_text(word)
    return session.mask.copy()


@pytest.mark.parametrize("backend", ["clicknet", "grabcut", "randomwalk"])
def test_any_click_backend_is_helped_by_a_word(backend) -> None:
    session = Session(VOLUME[2], backend, device="cpu")
    session.add_text("cat")
    np.testing.assert_array_equal(session.mask, alone(VOLUME[2], "cat"))
    assert session.text_match is not None
    assert (session.text_match.text, session.text_match.model) == ("cat", "clipseg")
    assert 0.2 <= session.text_match.confidence <= 1
    row, column = np.argwhere(session.mask)[0]
    session.add_point((row, column), positive=False)
    assert not session.mask[row, column]
    row, column = np.argwhere(~session.mask)[-1]
    session.add_point((row, column))
    assert session.mask[row, column]


def test_every_step_is_undone_redone_saved_and_recovered(tmp_path, monkeypatch) -> None:
    session = Session(IMAGE, Clicks(), journal=tmp_path / "journal")
    states = [Snapshot.of(session)]
    for step in (
        lambda: session.add_text("cat"),
        lambda: session.add_point((20, 10)),
        lambda: session.add_point((20, 50), positive=False),
        lambda: session.add_text("dog"),
        lambda: session.commit("pets"),
    ):
        step()
        states.append(Snapshot.of(session))
    # Reading back asks no model.
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path / "none"))
    session.save(tmp_path / "saved")
    for again in (
        session,
        Session.load(tmp_path / "saved", IMAGE, backend=Clicks()),
        Session.recover(tmp_path / "journal", IMAGE, backend=Clicks()),
    ):
        assert Snapshot.of(again) == states[-1]
        for state in states[-2::-1]:
            assert again.undo()
            assert Snapshot.of(again) == state
        for state in states[1:]:
            assert again.redo()
            assert Snapshot.of(again) == state
    session.reopen(1)
    assert [p for p in session.prompts if isinstance(p, TextPrompt)] == [
        TextPrompt("cat", (None, None)),
        TextPrompt("dog", (None, None)),
    ]


def test_clicks_go_on_where_no_model_of_words_is_ready_any_more(tmp_path, monkeypatch) -> None:
    session = Session(IMAGE, Clicks())
    session.add_text("cat")
    session.save(tmp_path / "saved")
    monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path / "none"))
    again = Session.load(tmp_path / "saved", IMAGE, backend=Clicks())
    again.add_point((20, 10))
    assert again.mask[20, 10]
    before = Snapshot.of(again)
    with pytest.raises((FileNotFoundError, ImportError), match="CLIPSeg needs"):
        again.remove_prompt(1)  # the word would have to be asked anew
    assert Snapshot.of(again) == before
    again.remove_prompt(0)
    assert again.mask[20, 10]


def test_a_word_after_clicks_is_looked_for_and_the_clicks_hold() -> None:
    expected = alone(IMAGE, "cat")
    row, column = np.argwhere(expected)[0]
    session = Session(IMAGE, Clicks())
    session.add_point((row, column), positive=False)
    session.add_text("cat")
    assert session.mask.any()
    assert not session.mask[row, column]
    clicked = session.mask.copy()
    session.remove_prompt(0)
    np.testing.assert_array_equal(session.mask, expected)
    together = Session(IMAGE, Clicks())
    together.add_prompts([PointPrompt((row, column), False), TextPrompt("cat", (None, None))])
    np.testing.assert_array_equal(together.mask, clicked)


def test_what_is_painted_takes_the_place_of_the_word() -> None:
    session = Session(IMAGE, Clicks())
    session.add_text("cat")
    mask = np.zeros(IMAGE.shape, bool)
    mask[3:9, 40:50] = True
    session.add_mask(mask, index=())
    session.add_mask(np.zeros_like(mask), index=())
    session.add_point((20, 50))
    assert session.mask.sum() == 9, "the click alone, of a backend that marks three by three"
    session.remove_prompt(3)
    assert not session.mask.any()
    session.remove_prompt(2)
    np.testing.assert_array_equal(session.mask, mask)


def test_a_word_is_looked_for_on_the_plane_that_is_asked() -> None:
    session = Session(VOLUME, Clicks())
    session.add_text("cat", index=3)
    assert session.prompts == (TextPrompt("cat", (3, None, None)),)
    np.testing.assert_array_equal(session.mask[3], alone(VOLUME[3], "cat"))
    assert not session.mask[:3].any()
    session.add_text("cat")
    np.testing.assert_array_equal(session.mask[2], alone(VOLUME[2], "cat"))
    with pytest.raises(ValueError, match="99"):
        session.add_text("cat", index=99)


def test_what_a_word_found_is_propagated() -> None:
    session = Session(VOLUME, "grabcut@copy")
    session.add_text("cat", index=3)
    mask = session.mask[3].copy()
    for _ in session.propagate():
        pass
    np.testing.assert_array_equal(session.mask[3], mask)
    assert session.mask.any((1, 2)).all()


def test_an_uncertainty_map_is_made_after_a_word() -> None:
    session = Session(IMAGE, "clicknet", device="cpu")
    session.add_text("cat")
    unsure = session.uncertainty()
    assert unsure.shape == IMAGE.shape
    assert np.isfinite(unsure).all()


@pytest.mark.parametrize("text", ["", "  ", "\t\n"])
def test_an_empty_text_is_refused(text) -> None:
    session = Session(IMAGE, Clicks())
    with pytest.raises(ValueError, match="must name something"):
        session.add_text(text)
    assert not session.prompts


def test_a_very_long_text_is_taken() -> None:
    session = Session(IMAGE, Clicks())
    session.add_text("the largest of all things " * 400)
    assert session.mask.any()


def test_an_unknown_word_changes_nothing(monkeypatch) -> None:
    session = Session(IMAGE, Clicks())
    session.add_point((5, 5))
    before = Snapshot.of(session)
    monkeypatch.setattr("napari_promptseg.models.backends.clipseg._FAINT", 1.1)
    with pytest.raises(ValueError, match="clipseg does not know 'xyzzy' here; click"):
        session.add_text("xyzzy")
    assert Snapshot.of(session) == before
    assert session.text_match is None
    session.add_point((5, 45))
    assert session.mask[5, 45]


@pytest.mark.parametrize("missing", ["file", "package"])
def test_without_a_model_the_remedy_is_told_and_nothing_changes(
    missing, tmp_path, monkeypatch
) -> None:
    session = Session(IMAGE, Clicks())
    session.add_point((5, 5))
    before = Snapshot.of(session)
    if missing == "file":
        monkeypatch.setenv(catalog.FOLDER_VARIABLE, str(tmp_path))
        expected = "get clipseg-rd64-refined from https://huggingface.co/CIDAS"
    else:
        monkeypatch.setattr(catalog, "is_installed", lambda name: False)
        expected = r"pip install 'napari-promptseg\[text\]'"
    with pytest.raises((FileNotFoundError, ImportError), match=expected):
        session.add_text("cat")
    assert Snapshot.of(session) == before


def test_clipseg_alone_answers_words_and_nothing_else() -> None:
    session = Session(VOLUME[0], "clipseg", device="cpu")
    session.warm_up()
    session.add_text("cat")
    assert session.text_match == TextMatch("cat", "clipseg", session.text_match.confidence)
    with pytest.raises(ValueError, match="'clipseg' does not understand"):
        session.add_point((3, 3))


def test_models_of_words_are_freed_with_the_backend() -> None:
    session = Session(IMAGE, Clicks())
    session.add_text("cat")
    (model,) = session._state.predictor.words
    session.free()
    assert not hasattr(model, "_model")
    session.add_text("dog")
    assert len(session.prompts) == 2
