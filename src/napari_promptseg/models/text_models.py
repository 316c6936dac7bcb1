"""Text models: probability maps for words, and the models of the catalog that provide them."""

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
    """No text model knows the word, or none finds its object on the plane."""


@dataclass(frozen=True, slots=True)
class TextPrediction:
    """Prediction of a text model for one word on one plane.

    Parameters
    ----------
    probability : (H, W) float32 array
        Probability in [0, 1] that a pixel belongs to what the word names.
    confidence : float
        Confidence in [0, 1] that the object is on the plane.
    is_known : bool
        Whether the model knows the word and finds it; if not, the map is meaningless.
    note : str
        What the user should know of it: where else the object is, why the word is unknown, or
        how far to trust the map.
    """

    probability: Float32
    confidence: float
    is_known: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A word, and the model that found it.

    Parameters
    ----------
    text : str
        The word.
    model : str
        Name of the model that found it.
    confidence : float
        Confidence of that model in [0, 1].
    probability : (H, W) float32 array, optional
        Its map of the plane, values in [0, 1].
    note : str
        What the user should know of it; see `TextPrediction`.
    """

    text: str
    model: str
    confidence: float
    probability: Float32 | None = field(default=None, repr=False, compare=False)
    note: str = ""


@runtime_checkable
class TextModel(Protocol):
    """A model that segments what a word names.

    Models of the catalog that only support text are backends as well, created by name.
    """

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def identity(self) -> str:
        """Name and, where it has weights, their SHA-256."""

    def map(self, image: PlaneImage, text: str) -> TextPrediction:
        """Segment a word on a plane; an unknown word is no error (`TextPrediction.is_known`)."""

    def close(self) -> None:
        """Free memory; the model is not used afterwards."""


@runtime_checkable
class Matching(Protocol):
    """A backend that keeps the match of its last word, None before one."""

    match: TextMatch | None


def ask(
    models: Iterable[TextModel], image: PlaneImage, text: str
) -> tuple[TextMatch, TextPrediction]:
    """Ask models in order and return the answer of the first that knows the word.

    Raises
    ------
    UnknownWordError
        If none does; the message names them.
    """
    names, notes = [], []
    for model in models:
        answer = model.map(image, text)
        if answer.is_known:
            match = TextMatch(text, model.name, answer.confidence, answer.probability, answer.note)
            return match, answer
        names.append(model.name)
        notes += [f"{model.name}: {answer.note}"] if answer.note else []
    verb = "does" if len(names) == 1 else "do"
    reasons = [f"{', '.join(names)} {verb} not know {text!r} here", *notes]
    raise UnknownWordError("; ".join([*reasons, "click on the object instead"]))


class CatalogTextModels:
    """The text models of the catalog that are ready, each loaded when it is first asked.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._models: dict[str, TextModel] = {}

    def __iter__(self) -> Iterator[TextModel]:
        """Iterate over them in the order of the catalog.

        Raises
        ------
        ImportError, FileNotFoundError
            If none is ready; the message says what to do.
        TypeError
            If a backend supports text alone but is no `TextModel`.
        """
        for entry in _ready():
            if entry.name not in self._models:
                model = create_backend(entry.name, device=self._device)
                if not isinstance(model, TextModel):
                    raise TypeError(f"backend {entry.name!r} understands text alone and lacks map")
                self._models[entry.name] = model
            yield self._models[entry.name]

    def close(self) -> None:
        """Free all of them; they are loaded again on demand."""
        for model in self._models.values():
            model.close()
        self._models.clear()


def words_remedy() -> str:
    """Return the instruction that makes text prompts usable; empty if they are.

    They are if there is a saved class, which answers to its name, or a text model. No model
    is imported.
    """
    if list_classes():
        return ""
    try:
        _ready()
    except (ImportError, FileNotFoundError) as error:
        return str(error)
    return ""


def _ready() -> list[Model]:
    """Return the text models that are ready; raise what is missing if there is none."""
    text_models = [m for m in list_models().values() if m.prompts == ("text",)]
    ready = [m for m in text_models if m.state == "ready"]
    if ready:
        return ready
    general = next(model for model in text_models if not model.volumes)
    return [general.require_ready()]
