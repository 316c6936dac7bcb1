"""Installation of model weights into the models folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from napari_promptseg.models.adapters import class_key
from napari_promptseg.models.catalog import ZOO, Model, list_models, list_zoo

Match = Literal["the published file", "another file than the published one", "not known"]
_CHECKPOINTS: Final = ("*.pth", "*.pt")
"""Files of a folder that are copied once they are checked, unless safetensors lie beside them."""
_UNSAFE: Final = ("*.bin", "*.pkl", "*.ckpt", "*.msgpack", "*.h5")
"""Files of a folder that are never copied: pickles, and weights in other formats."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, cached until the file changes."""
    stat = path.stat()
    return _cached_hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _cached_hash(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(model: Model) -> Match:
    """Compare the installed file of a model with the published hash."""
    path = model.path
    if path is None or model.sha256 is None or not path.is_file():
        return "not known"
    same = file_hash(path) == model.sha256
    return "the published file" if same else "another file than the published one"


def identify_model(path: Path) -> Model | None:
    """Return the model that a file or folder belongs to, by its name or hash."""
    with_file = [model for model in list_models().values() if model.file is not None]
    by_name = next((model for model in with_file if model.file == path.name), None)
    if by_name is not None or path.is_dir():
        return by_name
    with_hash = [model for model in with_file if model.sha256 is not None]
    digest = file_hash(path)
    return next((model for model in with_hash if model.sha256 == digest), None)


def add_model(path: Path, name: str | None = None, overwrite: bool = False) -> Model:
    """Copy the file or folder of a model into the models folder.

    It is checked first: a checkpoint is read without executing anything in it. Of a folder,
    files that can hold code are left out, checkpoints too where safetensors lie beside them.

    Parameters
    ----------
    path : Path
        A checkpoint, a folder as it is published, or a package (.zip) of bioimage.io.
    name : str, optional
        Name of the model, where the file is not recognised by its name or hash.
    overwrite : bool
        Whether to replace an installed one.

    Returns
    -------
    Model
        The catalog entry; it may still need a package.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileExistsError
        If the model is installed already.
    ValueError
        If it is not recognised, damaged or unsafe, or there is no such model.
    ImportError
        If it is a package of bioimage.io, and `bioimageio.core` is not installed.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file of a model at {str(path)!r}")
    is_zoo = path.suffix == ".zip" if name is None else name == ZOO
    model = _zoo_model(path) if is_zoo else _resolve_model(path, name)
    target = model.path
    assert target is not None
    if target.exists() and not overwrite:
        raise FileExistsError(f"{str(target)!r} is there already; add it with overwriting")
    if not is_zoo:
        _check(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is an atomic rename.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as folder:
        copy = Path(folder) / target.name
        if path.is_dir():
            shutil.copytree(path, copy, ignore=_left_out)
        else:
            shutil.copyfile(path, copy)
        _remove(target)
        copy.replace(target)
    return model


def remove_model(name: str) -> Path:
    """Delete the installed file or folder of a model; return its path.

    Raises
    ------
    ValueError
        If there is no such model, or it is not installed.
    """
    model = _model_by_name(name)
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


def _model_by_name(name: str) -> Model:
    models = list_models() | list_zoo()
    if name == ZOO:
        raise ValueError(f"{name!r} is no single package; installed ones: {list(list_zoo())}")
    if name not in models:
        raise ValueError(f"unknown model {name!r}; valid models: {list(models)}")
    return models[name]


def _zoo_model(path: Path) -> Model:
    """Return the entry of a package of bioimage.io, which is loaded to check it."""
    from napari_promptseg.models.bioimageio.zoo_model import ZooModel

    package = ZooModel(path)
    package.close()
    key = class_key(package.name)
    return replace(
        list_models()[ZOO],
        name=f"{ZOO}:{key}",
        title=package.name,
        licence=package.licence,
        file=f"{ZOO}/{key}.zip",
    )


def _resolve_model(path: Path, name: str | None) -> Model:
    model = identify_model(path) if name is None else _model_by_name(name)
    with_file = [other.name for other in list_models().values() if other.file is not None]
    if model is None:
        raise ValueError(
            f"{path.name!r} is not recognised by its name or content; say which model it is "
            f"of: {with_file}"
        )
    if model.file is None:
        raise ValueError(f"{model.name!r} needs no file; models that do: {with_file}")
    return model


def _check(path: Path) -> None:
    """Check that a file or folder holds weights and nothing that could be executed.

    Raises
    ------
    ValueError
        If it does not; nothing was executed.
    """
    from safetensors import SafetensorError, safe_open

    from napari_promptseg.models.networks.checkpoints import load_checkpoint

    if path.is_dir():
        files = _weights(path)
        if not files:
            raise ValueError(
                f"{str(path)!r} holds no weights that can be taken: no safetensors, .pth or .pt"
            )
    else:
        files = [path]
    for file in files:
        if file.suffix != ".safetensors":
            load_checkpoint(file, numbers=path.is_dir())
            continue
        try:
            with safe_open(file, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{str(file)!r} is damaged: {error}") from error


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Return which files of a folder are not copied."""
    has_safetensors = any(name.endswith(".safetensors") for name in names)
    patterns = (*_UNSAFE, *(_CHECKPOINTS if has_safetensors else ()))
    return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}


def _weights(path: Path) -> list[Path]:
    """Return the files of a folder, and of those in it, with weights that are copied."""
    files = []
    for folder in (path, *(one for one in path.rglob("*") if one.is_dir())):
        names = [file.name for file in folder.iterdir() if file.is_file()]
        copied = set(names) - _left_out(str(folder), names)
        kinds = ("*.safetensors", *_CHECKPOINTS)
        files += [folder / n for n in sorted(copied) if any(fnmatch(n, kind) for kind in kinds)]
    return files
