"""Classes of objects: `promptseg adapt`, `propose`, `classes` and `queue`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_promptseg.cli.options import Device, fail, show_notes

if TYPE_CHECKING:
    from napari_promptseg.few_shot.few_shot_class import FewShotClass

Output = Annotated[Path | None, typer.Option("--output", "-o")]


def adapt(
    name: Annotated[str, typer.Argument(help="What the class is called.")],
    sources: Annotated[
        list[Path],
        typer.Argument(help="Images and their labels in turn, or one folder of a data set."),
    ],
    synonym: Annotated[list[str] | None, typer.Option(help="Another word for it.")] = None,
    description: Annotated[str, typer.Option(help="A sentence about it.")] = "",
    objects: Annotated[
        int | None, typer.Option(min=1, help="Learn from the first so many objects.")
    ] = None,
    tune: Annotated[bool, typer.Option(help="Fine-tune the network for clicks too.")] = True,
    seconds: Annotated[float, typer.Option(min=1, help="That fine-tuning may take.")] = 60.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .safetensors file; in the library if not given."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Learn a class from marked objects: it proposes more of them, and answers to its name.

    Five objects are enough to start. What is fine-tuned is kept only if it saves clicks on
    objects held back, and is then chosen as the backend "clicknet:NAME".
    """
    from napari_promptseg.few_shot.storage import save_class
    from napari_promptseg.training.data.examples import read_examples
    from napari_promptseg.training.few_shot import adapt as learn

    try:
        images, labels = read_examples(sources, objects)
        concept = learn(
            images,
            labels,
            name,
            synonyms=synonym or (),
            description=description,
            tune=tune,
            seconds=seconds,
            device=device,
            report=typer.echo,
        )
        target = save_class(concept, output)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    if concept.note:
        typer.echo(concept.note)
    typer.echo(str(target))


def propose(
    name: Annotated[str, typer.Argument(help="A class of the library, or its file.")],
    image: Path,
    output: Annotated[Path, typer.Option("--output", "-o", help="Labels file.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
    device: Device = "auto",
) -> None:
    """Find all objects of a class in an image, a volume (in 3D) or each frame of a video."""
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.io.write import write_labels

    try:
        concept = _concept(name, device)
        volume = open_volume(image)
        show_notes(volume)
        labels = concept.propose(volume)
        write_labels(output, labels, volume, overwrite=overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    typer.echo(f"{output}: {labels.max()} objects")


def classes(
    add: Annotated[Path | None, typer.Option(help="Take a file into the library.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace one there.")] = False,
) -> None:
    """List the classes of the library, or add one that somebody shared."""
    from napari_promptseg.few_shot.storage import Library, load_class, save_class
    from napari_promptseg.models.adapters import class_file

    try:
        if add is not None:
            concept = load_class(add, "cpu")
            target = class_file(concept.name)
            if target.exists() and not overwrite:
                raise FileExistsError(f"{str(target)!r} is there already; add --overwrite")
            typer.echo(str(save_class(concept, target)))
            return
        library = Library(device="cpu")
        for key in library:
            try:
                concept = library.get(key)
            except (ValueError, OSError) as error:
                typer.echo(f"{key}: {error}")
                continue
            adapted = "adapted" if concept.adapter is not None else "not adapted"
            typer.echo(f"{key}: {concept.name}, {concept.examples} objects, {adapted}")
    except (ValueError, OSError) as error:
        fail(error)


def queue(
    sources: Annotated[list[Path], typer.Argument(help="Images, volumes or folders of them.")],
    name: Annotated[
        str | None, typer.Option("--class", help="What it is unsure of comes first.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many to list.")] = 10,
    device: Device = "auto",
) -> None:
    """List which images or planes to annotate next: unsure ones, unlike those before."""
    from napari_promptseg.few_shot.active_learning import rank
    from napari_promptseg.few_shot.features import FeatureExtractor
    from napari_promptseg.training.data.examples import unlabelled_planes

    try:
        concept = _concept(name, device) if name is not None else None
        planes = ((f"{file}\t{index}", image) for file, index, image in unlabelled_planes(sources))
        extractor = concept.extractor if concept is not None else FeatureExtractor(device)
        for entry in rank(planes, concept, most, extractor):
            typer.echo(f"{entry.key}\t{entry.uncertainty:.2f}\t{entry.novelty:.2f}")
    except (ValueError, OSError, ImportError) as error:
        fail(error)


def _concept(name: str, device: str) -> FewShotClass:
    from napari_promptseg.few_shot.storage import Library, load_class

    if name.endswith(".safetensors"):
        return load_class(Path(name), device)
    return Library(device=device).get(name)
