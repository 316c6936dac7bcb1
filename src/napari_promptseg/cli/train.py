"""`promptseg train` and `promptseg card`: a model of one's own."""

from __future__ import annotations

import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import fail
from napari_promptseg.data.requirements import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from napari_promptseg.training.config import TrainConfig
    from napari_promptseg.training.trainer import Trainer

Recipe = Annotated[Path, typer.Argument(help="A TOML file; see docs/training.md.")]


def train(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="A recipe (TOML; see docs/training.md); or what to fine-tune the shipped network "
            "on: the folder of a data set, or images and their labels in turn."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; not with a recipe.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Offer the network as a model, 'ClickNet for NAME'.")
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Optimiser steps at most; not with a recipe.")
    ] = 2000,
    open_terms: Annotated[
        bool,
        typer.Option(
            "--open-terms", help="Of a recipe, take only data sets that may be used for anything."
        ),
    ] = False,
) -> None:
    """Train ClickNet; the same command goes on with a run that was stopped or killed.

    Ctrl+C and SIGTERM end it after the present step, with a checkpoint. Fine-tuning ends
    early where it gains nothing more; it keeps the weights it started from unless others
    need fewer clicks on scenes that were held out. MODEL_CARD.md is the report.
    """
    try:
        _require_training()
        from napari_promptseg.training.config import TrainConfig
        from napari_promptseg.training.trainer import Trainer

        if len(sources) == 1 and sources[0].suffix == ".toml":
            config = TrainConfig.read(sources[0])
            if open_terms:
                config = config.with_open_terms()
        else:
            config = _own_recipe(sources, output, steps)
        trainer = Trainer(config, report=typer.echo)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    _run(trainer, name)


def _require_training() -> None:
    """Raise `ImportError` unless the packages of training are installed."""
    require("torch", "timm", extra="train", purpose="Training")


def _own_recipe(sources: list[Path], output: Path | None, steps: int) -> TrainConfig:
    """Make the recipe to fine-tune on a folder, or on images and their labels."""
    from napari_promptseg.training.data.examples import read_examples
    from napari_promptseg.training.data.user_labels import fine_tuning, write_training_set

    if output is None:
        raise ValueError("name a folder for the run with --output")
    folder = sources[0]
    if len(sources) > 1:
        folder = output / "data"
        if not folder.exists():
            write_training_set(*read_examples(sources), folder)
    return fine_tuning(folder.absolute(), output.absolute(), steps=steps)


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
    try:
        _require_training()
        from napari_promptseg.training.pretrain import pretraining
        from napari_promptseg.training.trainer import Trainer

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


def _run(trainer: Trainer, name: str | None = None) -> None:
    """Train to the end or until a signal, print the result, and register it by name."""
    try:
        with stop_on_signals(trainer) as signals:
            weights = trainer.run()
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    if signals:
        typer.echo(f"stopped after step {trainer.step}; the same command goes on", err=True)
        raise typer.Exit(128 + signals[0])
    if trainer.peers.is_rank_zero:
        typer.echo(f"best weights: {weights}")
        if verdict := trainer.verdict():
            typer.echo(verdict)
        if name is not None:
            _offer(weights, name)


def _offer(weights: Path, name: str) -> None:
    from napari_promptseg.data.atomic_file import atomic_target
    from napari_promptseg.models.catalog import trained_file

    try:
        target = trained_file(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_target(target, overwrite=True) as temporary:
            shutil.copyfile(weights, temporary)
    except (ValueError, OSError) as error:
        fail(error)
    typer.echo(f"offered as clicknet:{target.stem.partition('-')[2]}")


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Stop a run on the first signal and die of the second; yield those that came.

    One of several processes ignores the second: Ctrl+C reaches it from the terminal, and again
    from torchrun, which kills it if it does not end.
    """
    signals: list[int] = []
    afterwards = signal.SIG_DFL if trainer.peers.count == 1 else signal.SIG_IGN

    def stop(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        trainer.stop()
        for each in former:
            signal.signal(each, afterwards)

    former = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
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
    try:
        _require_training()
        from napari_promptseg.training.config import TrainConfig
        from napari_promptseg.training.tracking.model_card import write_card

        path = write_card(TrainConfig.read(recipe), output)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    typer.echo(str(path))
