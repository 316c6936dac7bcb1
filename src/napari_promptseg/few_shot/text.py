"""Text models in the order they are asked: classes of the user, then the catalog."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from napari_promptseg.models.text_models import CatalogTextModels, TextModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.few_shot.storage import Library


class TextModels:
    """Text models: the classes of the library, then the models of the catalog that are ready.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._models = CatalogTextModels(device)

    @cached_property
    def classes(self) -> Library:
        """The saved classes; their network is imported on first use."""
        from napari_promptseg.few_shot.storage import Library

        return Library(device=self._device)

    def __iter__(self) -> Iterator[TextModel]:
        """Iterate over them in order; each is loaded on first use.

        Raises
        ------
        ImportError, FileNotFoundError
            If there is neither a class nor a model that is ready; the message says what to
            do.
        """
        classes = list(self.classes.usable())
        yield from classes
        try:
            yield from self._models
        except (ImportError, FileNotFoundError):
            if not classes:
                raise

    def close(self) -> None:
        """Free all of them; they are loaded again on demand."""
        if "classes" in self.__dict__:
            self.classes.close()
        self._models.close()
