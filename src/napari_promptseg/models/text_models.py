"""Models that turn words into maps: what they answer, and which of them is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_promptseg.models.adapters import list_classes
from napari_promptseg.models.base import Float32
from napari_promptseg.models.catalog import Model, list_models
from napari_promptseg.models.registry import create_backend

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_promptseg.data.volume import PlaneImage


class UnknownWordError(ValueError):
    """No model knows a word, or finds on the plane what it names."""


@dataclass(frozen=True, slots=True)
class TextPrediction:
    """Where a word is on a plane.

    Parameters
    ----------
    probability : (H, W) float32 array
        Of the plane, values in [0, 1]; above 0.5 is what is named.
    confidence : float
        How sure the model is that it is there, in [0, 1].
    known : bool
        Whether the model knows the word and finds it; if not, the map means nothing.
    """

    probability: Float32
    confidence: float
    known: bool


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A word that was found.

    Parameters
    ----------
    text : str
        The word.
    model : str
        Name of the model that knows it.
    confidence : float
        How sure it is, in [0, 1].
    probability : (H, W) float32 array, optional
        Where it is on what was looked at, values in [0, 1].
    """

    text: str
    model: str
    confidence: float
    probability: Float32 | None = field(default=None, repr=False, compare=False)


@runtime_checkable
class TextModel(Protocol):
    """A model that finds what a word names.

    Those of the catalogue that understand text alone are backends too, and made by name.
    """

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def identity(self) -> str:
        """Name and, where it has weights, their SHA-256."""

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """Look for a word on a plane; a word that is not known is an answer, no error."""

    def close(self) -> None:
        """Free memory; the model is not used afterwards."""


def ask(
    models: Iterable[TextModel], image: PlaneImage, text: str
) -> tuple[TextMatch, TextPrediction]:
    """Ask models in order; the first that knows the word answers.

    Raises
    ------
    UnknownWordError
        If none does; the message names them.
    """
    asked = []
    for model in models:
        answer = model.map(image, text)
        if answer.known:
            return TextMatch(text, model.name, answer.confidence, answer.probability), answer
        asked.append(model.name)
    verb = "does" if len(asked) == 1 else "do"
    raise UnknownWordError(
        f"{', '.join(asked)} {verb} not know {text!r} here; click on the object instead"
    )


class CatalogTextModels:
    """The models of words of the catalogue that are ready, each loaded when it is asked.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._loaded: dict[str, TextModel] = {}

    def __iter__(self) -> Iterator[TextModel]:
        """Go through them in the order of the catalogue.

        Raises
        ------
        ImportError, FileNotFoundError
            If none is ready; the message says what to do.
        TypeError
            If one understands text and has no `map`.
        """
        for known in _ready():
            if known.name not in self._loaded:
                model = create_backend(known.name, device=self._device)
                if not isinstance(model, TextModel):
                    raise TypeError(f"backend {known.name!r} understands text alone and lacks map")
                self._loaded[known.name] = model
            yield self._loaded[known.name]

    def close(self) -> None:
        """Free all of them; a later word loads them again."""
        for model in self._loaded.values():
            model.close()
        self._loaded.clear()


def words_remedy() -> str:
    """Return what to do so that words are answered; empty if they are. Imports no model.

    They are if there is a class, which knows its name, or a model of words.
    """
    if list_classes():
        return ""
    try:
        _ready()
    except (ImportError, FileNotFoundError) as error:
        return str(error)
    return ""


def _ready() -> list[Model]:
    """Return the models of words that can be used; raise if there is none."""
    reading = [m for m in list_models().values() if m.prompts == ("text",)]
    ready = [m for m in reading if m.state == "ready"]
    return ready or [reading[0].checked()]
