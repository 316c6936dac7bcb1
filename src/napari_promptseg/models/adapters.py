"""Adapters: decoder weights fine-tuned for one class of objects, in shareable files.

A class file (`napari_promptseg.few_shot`) holds the adapter beside the rest of the class; a
backend reads the adapter alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER_VARIABLE: Final = "PROMPTSEG_CLASSES"
"""Environment variable that overrides the folder of saved classes."""
PREFIX: Final = "adapter."
"""Prefix of the tensor names of an adapter."""
SUFFIX: Final = ".safetensors"
"""Suffix of class files."""


def classes_folder() -> Path:
    """Return the folder of saved classes; it need not exist."""
    if override := os.environ.get(FOLDER_VARIABLE):
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("napari-promptseg", appauthor=False) / "classes"


def class_key(name: str) -> str:
    """Return the key of a class name, used for its file and variant: a-z, 0-9, underscores.

    Raises
    ------
    ValueError
        If the name has no letter or digit.
    """
    key = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    if not key:
        raise ValueError(f"a class needs a name with a letter or digit, got {name!r}")
    return key


def list_classes(folder: Path | None = None) -> dict[str, Path]:
    """Return the files of saved classes by their keys, sorted."""
    paths = sorted((folder or classes_folder()).glob(f"*{SUFFIX}"))
    return {path.stem: path for path in paths}


def list_adapted(folder: Path | None = None) -> dict[str, str]:
    """Return the names of the classes that have an adapter, by their keys."""
    from safetensors import SafetensorError, safe_open

    titles = {}
    for key, path in list_classes(folder).items():
        try:
            with safe_open(path, "np") as source:  # reads the header alone
                if any(name.startswith(PREFIX) for name in source.keys()):  # noqa: SIM118
                    titles[key] = (source.metadata() or {}).get("name", key)
        except (SafetensorError, OSError):
            continue  # reported when the class is loaded
    return titles


def class_file(name: str) -> Path:
    """Return the path at which a class of this name is saved; see `class_key`."""
    return classes_folder() / f"{class_key(name)}{SUFFIX}"


def find_class(name: str, folder: Path | None = None) -> Path:
    """Return the file of a saved class by its name or key.

    Raises
    ------
    ValueError
        If there is none; the message lists the valid names.
    """
    files = list_classes(folder)
    key = class_key(name)
    if key not in files:
        raise ValueError(f"no class {name!r}; valid classes: {sorted(files)}")
    return files[key]


def load_adapter(key: str) -> dict[str, NDArray[np.float32]]:
    """Return the adapter of a saved class.

    Raises
    ------
    ValueError
        If there is no such class, it has no adapter, or its file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = find_class(key)
    try:
        with safe_open(path, "np") as source:
            names = [name for name in source.keys() if name.startswith(PREFIX)]  # noqa: SIM118
            adapter = {name.removeprefix(PREFIX): source.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error
    if not adapter:
        raise ValueError(f"the class {key!r} has no adapter: fine-tune it first")
    return adapter
