"""All that answers a word: the classes of the user first, then the models of words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from napari_promptseg.models.text_models import CatalogTextModels, TextModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.few_shot.storage import Library


class TextModels:
    """Classes of the library, and after them the models of the catalogue that are ready.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._models = CatalogTextModels(device)

    @cached_property
    def concepts(self) -> Library:
        """The classes; their network is not imported before a word is asked for."""
        from napari_promptseg.few_shot.storage import Library

        return Library(device=self._device)

    def __iter__(self) -> Iterator[TextModel]:
        """Go through them in order; each is loaded when it is asked.

        Raises
        ------
        ImportError, FileNotFoundError
            If there is neither a class nor a model that is ready; the message says what to
            do.
        """
        classes = list(self.concepts.usable())
        yield from classes
        try:
            yield from self._models
        except (ImportError, FileNotFoundError):
            if not classes:
                raise

    def close(self) -> None:
        """Free all of them; a later word loads them again."""
        if "concepts" in self.__dict__:
            self.concepts.close()
        self._models.close()
