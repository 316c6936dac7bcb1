"""Storage of few-shot classes: one shareable safetensors file each."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.atomic_file import write_bytes
from napari_promptseg.few_shot.features import network_identity
from napari_promptseg.few_shot.few_shot_class import FewShotClass
from napari_promptseg.few_shot.pixel_classifier import Samples
from napari_promptseg.models.adapters import PREFIX, SUFFIX, class_file, find_class, list_classes
from napari_promptseg.models.tensor_files import Tensors, as_array

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KIND: Final = "class"


def save_class(few_shot_class: FewShotClass, path: Path | None = None) -> Path:
    """Write a class to a file, atomically.

    Parameters
    ----------
    few_shot_class : FewShotClass
        Class with at least one example.
    path : Path, optional
        A safetensors file; in the library, under the key of its name, when not given.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the class has no example, or the path has another suffix.
    """
    from safetensors.numpy import save

    path = path or class_file(few_shot_class.name)
    if path.suffix != SUFFIX:
        raise ValueError(f"a class is written as .safetensors, got {path.name!r}")
    samples = few_shot_class.knowledge().samples
    tensors: Tensors = {
        "features": samples.features.astype(np.float16),
        "kinds": samples.kinds.astype(np.uint8),
        "weights": samples.weights,
        "diameters": np.array(few_shot_class.diameters, np.float64),
        "overlaps": np.array(few_shot_class.overlaps, np.float64),
    }
    adapter = {PREFIX + k: as_array(array) for k, array in (few_shot_class.adapter or {}).items()}
    metadata = {
        "kind": _KIND,
        "name": few_shot_class.name,
        "synonyms": json.dumps(few_shot_class.synonyms),
        "description": few_shot_class.description,
        "network": network_identity(),
        "note": few_shot_class.note,
        "package": f"napari-promptseg {version('napari-promptseg')}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, save({**tensors, **adapter}, metadata))
    return path


def load_class(path: Path, device: str = "auto") -> FewShotClass:
    """Read a class.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not a class, or was learnt with another network.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"no class at {str(path)!r}")
    try:
        with safe_open(path, "np") as source:
            metadata = source.metadata() or {}
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118
        if metadata.get("kind") != _KIND:
            raise ValueError("it is no class")
        samples = Samples(
            tensors["features"].astype(np.float32),
            tensors["kinds"].astype(np.int64),
            tensors["weights"].astype(np.float32),
        )
        few_shot_class = FewShotClass(
            metadata["name"],
            tuple(json.loads(metadata["synonyms"])),
            metadata["description"],
            device,
            note=metadata["note"],
        )
        diameters = tensors["diameters"].tolist()
        # Files of earlier versions do not tell.
        overlaps = tensors["overlaps"].tolist() if "overlaps" in tensors else []
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{str(path)!r} cannot be read as a class: {error}") from error
    if metadata["network"] != network_identity():
        raise ValueError(
            f"{str(path)!r} was learnt with another network; learn the class again from its labels"
        )
    few_shot_class.restore(
        samples,
        diameters,
        overlaps,
        {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)} or None,
    )
    return few_shot_class


class Library:
    """The saved classes of a folder, each loaded on first use.

    Parameters
    ----------
    folder : Path, optional
        Folder of class files; that of the user when not given.
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, folder: Path | None = None, device: str = "auto") -> None:
        self._folder, self._device = folder, device
        self._classes: dict[Path, tuple[int, FewShotClass]] = {}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys of all classes."""
        yield from list_classes(self._folder)

    def get(self, key: str) -> FewShotClass:
        """Return a class by its key or name.

        Raises
        ------
        ValueError
            If there is none, or its file cannot be used.
        """
        path = find_class(key, self._folder)
        mtime_ns = path.stat().st_mtime_ns
        if self._classes.get(path, (None,))[0] != mtime_ns:
            self._classes[path] = mtime_ns, load_class(path, self._device)
        return self._classes[path][1]

    def usable(self) -> Iterator[FewShotClass]:
        """Iterate over the classes; files that cannot be used are skipped."""
        for key in self:
            try:
                few_shot_class = self.get(key)
            except (ValueError, OSError):
                continue
            yield few_shot_class

    def close(self) -> None:
        """Free the networks."""
        for _, few_shot_class in self._classes.values():
            few_shot_class.close()
        self._classes.clear()
