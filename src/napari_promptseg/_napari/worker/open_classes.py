"""Classes in use by the dock, each read from its file once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_promptseg.models.adapters import class_key, list_classes

if TYPE_CHECKING:
    from napari_promptseg.few_shot.few_shot_class import FewShotClass


class OpenClasses:
    """Classes by name; for the worker, as reading one loads PyTorch."""

    def __init__(self) -> None:
        self._classes: dict[str, FewShotClass] = {}

    def get(self, name: str, new: bool = False) -> FewShotClass:
        """Return a class.

        Parameters
        ----------
        name : str
            Its name.
        new : bool
            Whether to begin one if there is none of this name.

        Raises
        ------
        ValueError
            If there is none of this name, or its file cannot be used.
        """
        from napari_promptseg.few_shot.few_shot_class import FewShotClass
        from napari_promptseg.few_shot.storage import Library

        key = class_key(name)
        if key not in self._classes:
            fresh = new and key not in list_classes()
            self._classes[key] = FewShotClass(name) if fresh else Library().get(key)
        return self._classes[key]
