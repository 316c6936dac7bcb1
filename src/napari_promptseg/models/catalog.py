"""Catalog of models: those that ship, and those whose weights or package must be installed."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from napari_promptseg.data.requirements import MissingPackageError, is_installed
from napari_promptseg.models.adapters import class_key, list_adapted
from napari_promptseg.models.registry import backend_prompts, list_backends, load_error

State = Literal["ready", "needs file", "needs package", "broken"]

_SHIPPED: Final = "clicknet"
ZOO: Final = "bioimageio"
"""Backend of the packages of bioimage.io, and the folder that holds them."""
_TRAINED: Final = "clicknet-"
"""Prefix of the file names of networks that the user trained."""
FOLDER_VARIABLE: Final = "PROMPTSEG_MODELS"
"""Environment variable that overrides the folder of model files."""


@dataclass(frozen=True, slots=True)
class Model:
    """Entry of `catalog.toml`.

    Parameters
    ----------
    name : str
        Name of its backend, with a variant where there are several, such as "sam:vit_b".
    title : str
        Display name.
    prompts : tuple of str
        Supported prompts; see `Capabilities`.
    licence : str
        Licence of the weights, as an SPDX expression where there is one.
    file : str, optional
        Name of the file or folder in `models_folder`; None if the weights need no installation.
    size : int, optional
        Size of the published file in bytes.
    sha256 : str, optional
        Hash of the published file, where it is known.
    source : str, optional
        URL of the published file.
    package : str, optional
        Module that must be importable.
    extra : str, optional
        Extra of this distribution that installs the package.
    command : str, optional
        Command that creates the file, where it is not published.
    use : str
        What it is good for.
    volumes : bool
        Whether it looks at volumes alone.
    """

    name: str
    title: str
    prompts: tuple[str, ...]
    licence: str
    file: str | None = None
    size: int | None = None
    sha256: str | None = None
    source: str | None = None
    package: str | None = None
    extra: str | None = None
    command: str | None = None
    use: str = ""
    volumes: bool = False

    @property
    def backend(self) -> str:
        """Name of the entry point."""
        return self.name.partition(":")[0]

    @property
    def variant(self) -> str:
        """Variant of the backend; empty if there is only one."""
        return self.name.partition(":")[2]

    @property
    def path(self) -> Path | None:
        """Path of its file, which need not exist."""
        return None if self.file is None else models_folder() / self.file

    @property
    def state(self) -> State:
        """True if it can be used; determined without importing anything."""
        if self.package is not None and not is_installed(self.package):
            return "needs package"
        return "ready" if self.path is None or self.path.exists() else "needs file"

    @property
    def remedy(self) -> str:
        """Instruction that makes the model usable; empty if it is."""
        match self.state:
            case "needs package":
                return f"install it with: pip install 'napari-promptseg[{self.extra}]'"
            case "needs file" if self.command is not None:
                return f"run: {self.command}"
            case "needs file":
                return (
                    f"get {self.file} from {self.source} and add it with: "
                    f"promptseg backends --add {self.file}"
                )
        return ""

    def require_ready(self) -> Model:
        """Return the model itself if it can be used.

        Raises
        ------
        ImportError
            If its package is not installed; the message names the extra.
        FileNotFoundError
            If its file is missing; the message says where to get it and where to put it.
        """
        match self.state:
            case "needs package":
                raise MissingPackageError(
                    f"{self.title} needs the package {self.package!r}; {self.remedy}"
                )
            case "needs file":
                raise FileNotFoundError(f"{self.title} needs {str(self.path)!r}; {self.remedy}")
        return self


def models_folder() -> Path:
    """Return the folder of model files; it need not exist."""
    if override := os.environ.get(FOLDER_VARIABLE):
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("napari-promptseg", appauthor=False) / "models"


def list_trained() -> dict[str, Path]:
    """Return the files of networks that the user trained, by their keys; see `class_key`."""
    paths = sorted(models_folder().glob(f"{_TRAINED}*.safetensors"))
    return {path.stem.removeprefix(_TRAINED): path for path in paths}


def trained_file(name: str) -> Path:
    """Return the path at which a trained network of this name is saved."""
    return models_folder() / f"{_TRAINED}{class_key(name)}.safetensors"


@lru_cache(maxsize=1)
def list_models() -> dict[str, Model]:
    """Return all known models by name, in the order of the catalogue."""
    text = (files("napari_promptseg.models") / "catalog.toml").read_text(encoding="utf-8")
    models = (
        Model(**{**entry, "prompts": tuple(entry["prompts"])})
        for entry in tomllib.loads(text)["model"]
    )
    return {model.name: model for model in models}


def list_zoo() -> dict[str, Model]:
    """Return the installed packages of bioimage.io by their names, such as "bioimageio:nuclei"."""
    zoo = list_models().get(ZOO)
    if zoo is None:
        return {}
    keys = [path.stem for path in sorted((models_folder() / ZOO).glob("*.zip"))]
    models = (
        replace(zoo, name=f"{ZOO}:{key}", title=key.replace("_", " "), file=f"{ZOO}/{key}.zip")
        for key in keys
    )
    return {model.name: model for model in models}


def find_model(backend: str, variant: str | None = None) -> Model:
    """Return a usable model of a backend.

    Parameters
    ----------
    backend : str
        Name of its entry point.
    variant : str, optional
        Which of its models; the first that is ready when not given.

    Raises
    ------
    ValueError
        If the backend has no such variant.
    ImportError
        If its package is not installed; the message names the extra.
    FileNotFoundError
        If its file is missing; the message says where to get it and where to put it.
    """
    of_backend = {m.variant: m for m in list_models().values() if m.backend == backend}
    if variant is not None and variant not in of_backend:
        raise ValueError(
            f"backend {backend!r} has no model {variant!r}; valid models: {sorted(of_backend)}"
        )
    ready = (m for m in of_backend.values() if m.state == "ready")
    model = of_backend[variant] if variant is not None else next(ready, None)
    return (model or next(iter(of_backend.values()))).require_ready()


def find_weights(
    backend: str, variant: str | None = None, path: Path | None = None
) -> tuple[Path, str | None]:
    """Return the file or folder of the weights of a backend, and their variant.

    Parameters
    ----------
    backend : str
        Name of its entry point.
    variant : str, optional
        Which of its models; the first that is ready when not given.
    path : Path, optional
        Weights that are used instead of installed ones; the variant is then returned as given.

    Raises
    ------
    ValueError, ImportError, FileNotFoundError
        See `find_model`.
    """
    if path is not None:
        return path, variant
    model = find_model(backend, variant)
    if model.path is None:
        raise ValueError(f"{model.title} has no weights to install")
    return model.path, model.variant


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of a registered backend, and whether it can be used.

    Parameters
    ----------
    model : Model
        Catalog entry; for backends of other packages it holds little more than the name.
    state : {"ready", "needs file", "needs package", "broken"}
        Whether it can be used.
    error : str
        Cause, for a broken one.
    """

    model: Model
    state: State
    error: str = ""


def list_offers(load: bool = False) -> dict[str, Offer]:
    """Return all models of all registered backends by name, those of other packages last.

    Parameters
    ----------
    load : bool
        Whether to import backends of other packages, to find broken ones.
    """
    backends = list_backends()
    offers = {
        model.name: Offer(model, model.state)
        for model in list_models().values()
        if model.backend in backends
    }
    if _SHIPPED in offers:
        shipped_model = offers[_SHIPPED].model
        own = {key: key.replace("_", " ") for key in list_trained()} | list_adapted()
        for key, title in own.items():
            model = replace(
                shipped_model, name=f"{_SHIPPED}:{key}", title=f"{shipped_model.title} for {title}"
            )
            offers[model.name] = Offer(model, "ready")
    if ZOO in offers:
        offers |= {name: Offer(model, model.state) for name, model in list_zoo().items()}
    names = {offer.model.backend for offer in offers.values()}
    for name, info in backends.items():
        if name not in names:
            error = load_error(name) if load else ""
            prompts = () if error or not load else backend_prompts(name)
            model = Model(name, f"{name} ({info.distribution})", prompts, "")
            offers[name] = Offer(model, "broken" if error else "ready", error)
    return offers
