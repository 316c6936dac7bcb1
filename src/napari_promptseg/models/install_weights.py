"""Files of models, taken into the folder where they are looked for."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from napari_promptseg.models.catalog import Model, list_models

Match = Literal["the published file", "another file than the published one", "not known"]
_UNSAFE: Final = ("*.bin", "*.pth", "*.pt", "*.pkl", "*.ckpt", "*.msgpack", "*.h5")
"""Of a folder with safetensors, what can hold code or is not needed."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; it is read once until it changes."""
    known = path.stat()
    return _hashed(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(model: Model) -> Match:
    """Tell whether the file of a model that is there is the published one."""
    path = model.path
    if path is None or model.sha256 is None or not path.is_file():
        return "not known"
    same = file_hash(path) == model.sha256
    return "the published file" if same else "another file than the published one"


def recognised(path: Path) -> Model | None:
    """Return the model that a file or folder is of, by its name or its hash."""
    filed = [model for model in list_models().values() if model.file is not None]
    named = next((model for model in filed if model.file == path.name), None)
    if named is not None or path.is_dir():
        return named
    hashed = [model for model in filed if model.sha256 is not None]
    found = file_hash(path)
    return next((model for model in hashed if model.sha256 == found), None)


def add_model(path: Path, name: str | None = None, overwrite: bool = False) -> Model:
    """Take a file or folder of a model into the folder of models.

    It is checked first: a checkpoint is read without running anything in it, and of a
    folder only what lies beside its safetensors and cannot hold code is taken.

    Parameters
    ----------
    path : Path
        A checkpoint, or a folder as it is published.
    name : str, optional
        Of the model, where the file is not recognised by its name or hash.
    overwrite : bool
        Whether to replace what is there.

    Returns
    -------
    Model
        What it is of; its state may still ask for a package.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileExistsError
        If the model is there already.
    ValueError
        If it is not recognised, damaged or unsafe, or there is no such model.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file of a model at {str(path)!r}")
    model = _chosen(path, name)
    target = model.path
    assert target is not None
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} is there already; add it with overwriting")
    _check(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename: there is all of it or nothing.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as folder:
        copy = Path(folder) / target.name
        if path.is_dir():
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns(*_UNSAFE))
        else:
            shutil.copyfile(path, copy)
        _remove(target)
        copy.replace(target)
    return model


def remove_model(name: str) -> Path:
    """Delete the file or folder of a model; return where it was.

    Raises
    ------
    ValueError
        If there is no such model, or nothing of it that was added.
    """
    model = _named(name)
    path = model.path
    if path is None or not path.exists():
        raise ValueError(f"nothing of {name!r} was added; its state: {model.state}")
    _remove(path)
    return path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _named(name: str) -> Model:
    models = list_models()
    if name not in models:
        raise ValueError(f"unknown model {name!r}; valid models: {list(models)}")
    return models[name]


def _chosen(path: Path, name: str | None) -> Model:
    model = recognised(path) if name is None else _named(name)
    filed = [other.name for other in list_models().values() if other.file is not None]
    if model is None:
        raise ValueError(
            f"{path.name!r} is not recognised by its name or content; say which model it is "
            f"of: {filed}"
        )
    if model.file is None:
        raise ValueError(f"{model.name!r} needs no file; models that do: {filed}")
    return model


def _check(path: Path) -> None:
    """Refuse what cannot be read as weights, or could run code.

    Raises
    ------
    ValueError
        The message says why; nothing was executed.
    """
    from safetensors import SafetensorError, safe_open

    from napari_promptseg.models.networks.checkpoints import load_checkpoint

    if path.is_dir() and not any(path.rglob("*.safetensors")):
        raise ValueError(f"{str(path)!r} holds no safetensors, the only weights taken of a folder")
    if path.is_file() and path.suffix != ".safetensors":
        load_checkpoint(path)
    for file in path.rglob("*.safetensors") if path.is_dir() else [path]:
        if file.suffix == ".safetensors":
            try:
                with safe_open(file, "pt"):
                    pass
            except (SafetensorError, OSError) as error:
                raise ValueError(f"{str(file)!r} is damaged: {error}") from error
