"""Models that can be chosen: those that ship, and those whose file or package is to be added."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from napari_promptseg.models.adapters import class_key, list_adapted
from napari_promptseg.models.registry import backend_prompts, list_backends, load_error

State = Literal["ready", "needs file", "needs package", "broken"]

_SHIPPED: Final = "clicknet"
_TRAINED: Final = "clicknet-"
"""How the names of files of networks begin that the user trained."""
FOLDER_VARIABLE: Final = "PROMPTSEG_MODELS"
"""Environment variable that names another folder for files of models."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model, as `catalog.toml` tells of it.

    Parameters
    ----------
    name : str
        What it is chosen by: the name of its backend, and a variant where there are several,
        such as "sam:vit_b".
    title : str
        Name for people.
    prompts : tuple of str
        What it understands; see `Capabilities`.
    licence : str
        Of its weights, as an SPDX expression where there is one.
    file : str, optional
        Name of its file or folder in `models_folder`; without one nothing is to be added.
    size : int, optional
        Bytes of the published file.
    sha256 : str, optional
        Of the published file, where it is known.
    source : str, optional
        Where the file is published.
    package : str, optional
        Module that has to be importable.
    extra : str, optional
        Extra of this distribution that installs it.
    command : str, optional
        What makes its file, where that is not published.
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

    @property
    def backend(self) -> str:
        """Name of the entry point."""
        return self.name.partition(":")[0]

    @property
    def variant(self) -> str:
        """What tells it from others of its backend; empty if there is one alone."""
        return self.name.partition(":")[2]

    @property
    def path(self) -> Path | None:
        """Where its file belongs, whether it is there or not."""
        return None if self.file is None else models_folder() / self.file

    @property
    def state(self) -> State:
        """Whether it can be used, found without importing anything."""
        if self.package is not None and find_spec(self.package) is None:
            return "needs package"
        return "ready" if self.path is None or self.path.exists() else "needs file"

    @property
    def remedy(self) -> str:
        """What to do so that it can be used; empty if it can."""
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

    def checked(self) -> Model:
        """Return the model itself if it can be used.

        Raises
        ------
        ImportError
            If its package is not installed; the message says how to.
        FileNotFoundError
            If its file is not there; the message says where to get it, and where it goes.
        """
        match self.state:
            case "needs package":
                raise ImportError(f"{self.title} needs the package {self.package!r}; {self.remedy}")
            case "needs file":
                raise FileNotFoundError(f"{self.title} needs {str(self.path)!r}; {self.remedy}")
        return self


def models_folder() -> Path:
    """Return the folder of files of models; it need not exist."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("napari-promptseg", appauthor=False) / "models"


def list_trained() -> dict[str, Path]:
    """Return the files of networks that the user trained, by their keys; see `class_key`."""
    found = sorted(models_folder().glob(f"{_TRAINED}*.safetensors"))
    return {path.stem.removeprefix(_TRAINED): path for path in found}


def trained_file(name: str) -> Path:
    """Return where the network of a name is kept once it is trained."""
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


def find_model(backend: str, variant: str | None = None) -> Model:
    """Return a model of a backend that can be used.

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
        If its package is not installed; the message says how to.
    FileNotFoundError
        If its file is not there; the message says where to get it, and where it goes.
    """
    of_backend = {m.variant: m for m in list_models().values() if m.backend == backend}
    if variant is not None and variant not in of_backend:
        raise ValueError(
            f"backend {backend!r} has no model {variant!r}; valid models: {sorted(of_backend)}"
        )
    ready = (m for m in of_backend.values() if m.state == "ready")
    model = of_backend[variant] if variant is not None else next(ready, None)
    return (model or next(iter(of_backend.values()))).checked()


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of a backend that is registered.

    Parameters
    ----------
    model : Model
        What is known of it; of backends of other packages only their name.
    state : {"ready", "needs file", "needs package", "broken"}
        Whether it can be used.
    error : str
        What is wrong with a broken one.
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
    registered = list_backends()
    offers = {
        model.name: Offer(model, model.state)
        for model in list_models().values()
        if model.backend in registered
    }
    if _SHIPPED in offers:
        shipped = offers[_SHIPPED].model
        own = {key: key.replace("_", " ") for key in list_trained()} | list_adapted()
        for key, title in own.items():
            model = replace(shipped, name=f"{_SHIPPED}:{key}", title=f"{shipped.title} for {title}")
            offers[model.name] = Offer(model, "ready")
    told = {offer.model.backend for offer in offers.values()}
    for name, info in registered.items():
        if name not in told:
            error = load_error(name) if load else ""
            prompts = () if error or not load else backend_prompts(name)
            model = Model(name, f"{name} ({info.distribution})", prompts, "")
            offers[name] = Offer(model, "broken" if error else "ready", error)
    return offers
