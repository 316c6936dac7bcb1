"""`promptseg train` and `promptseg card`: a model of one's own."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from napari_promptseg.learn.train import Trainer

Recipe = Annotated[Path, typer.Argument(help="A TOML file; see docs/training.md.")]


def train(recipe: Recipe) -> None:
    """Train ClickNet; the same command goes on with a run that was stopped or killed.

    Ctrl+C and SIGTERM end it after the present step, with a checkpoint.
    """
    from napari_promptseg.learn.config import TrainConfig
    from napari_promptseg.learn.train import Trainer

    try:
        trainer = Trainer(TrainConfig.read(recipe), report=typer.echo)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    _run(trainer)


def pretrain(
    folder: Annotated[Path, typer.Argument(help="Of unlabelled images, volumes or videos.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = 3000,
    crop: Annotated[int, typer.Option(help="Side of a crop, a multiple of 32.")] = 192,
    initial: Annotated[
        Path | None, typer.Option(help="Weights to start from; those of ImageNet if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all randomness.")] = 0,
) -> None:
    """Train without labels; the same command goes on with a run that was stopped or killed.

    The weights are a start for `promptseg train` where labels are few: name them as
    `initial` in a recipe. The report is MODEL_CARD.md beside them.
    """
    from napari_promptseg.learn.pretrain import pretraining
    from napari_promptseg.learn.train import Trainer

    try:
        config = pretraining(
            folder,
            output.absolute(),
            steps=steps,
            crop=crop,
            initial=initial,
            seed=seed,
            report=typer.echo,
        )
        trainer = Trainer(config, report=typer.echo)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    _run(trainer)


def _run(trainer: Trainer) -> None:
    """Train to the end or until a signal, and say what came of it."""
    try:
        with _stop_on_signals(trainer) as came:
            weights = trainer.run()
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    if came:
        typer.echo(f"stopped after step {trainer.step}; the same command goes on", err=True)
        raise typer.Exit(128 + came[0])
    if trainer.peers.leads:
        typer.echo(f"best weights: {weights}")


@contextmanager
def _stop_on_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Stop a run on the first signal and die of the second; yield those that came."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        trainer.stop()
        for each in former:
            signal.signal(each, signal.SIG_DFL)

    former = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def card(
    recipe: Recipe,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="MODEL_CARD.md beside the weights.")
    ] = None,
) -> None:
    """Write the model card of a run again, after its text in the recipe was changed."""
    from napari_promptseg.learn.card import write_card
    from napari_promptseg.learn.config import TrainConfig

    try:
        written = write_card(TrainConfig.read(recipe), output)
    except (ValueError, OSError) as error:
        fail(error)
    typer.echo(str(written))
