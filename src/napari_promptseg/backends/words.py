"""Which model answers words."""

from __future__ import annotations

from napari_promptseg.backends.catalogue import Model, list_models


def word_model() -> Model:
    """Return the model that answers words beside those that answer clicks.

    Raises
    ------
    ImportError, FileNotFoundError
        If none is ready; the message says what to do.
    """
    reading = [m for m in list_models().values() if m.prompts == ("text",)]
    ready = next((m for m in reading if m.state == "ready"), reading[0])
    return ready.checked()


def words_remedy() -> str:
    """Return what to do so that words are answered; empty if they are."""
    try:
        word_model()
    except (ImportError, FileNotFoundError) as error:
        return str(error)
    return ""
