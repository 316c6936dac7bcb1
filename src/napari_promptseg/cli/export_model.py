"""`promptseg export-model`: networks of the user in files that other programs run."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Final

import typer

from napari_promptseg.cli.options import fail

if TYPE_CHECKING:
    from napari_promptseg.models.base import Float32

_CLASS: Final = "class"
"""Prefix of the names of few-shot classes."""
_FILES: Final = (".onnx", ".pt")
_PACKAGE: Final = ".zip"
_AUTHORS: Final = ("napari-promptseg developers",)
_SAMPLE: Final = "nuclei3d"


def export_model(
    name: Annotated[
        str,
        typer.Argument(
            help="clicknet; clicknet:NAME for a network that was adapted or trained; class:NAME "
            "for the pixel classifier of a class."
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(help="A bioimage.io package (.zip), ONNX (.onnx) or TorchScript (.pt)."),
    ],
    author: Annotated[
        list[str] | None, typer.Option(help="Who made it; for a package. Several are allowed.")
    ] = None,
    maintainer: Annotated[
        list[str] | None, typer.Option(help="GitHub name of who keeps it; for a package.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Example image of a package; a sample of the plugin if not given."),
    ] = None,
    test: Annotated[
        bool, typer.Option(help="Run the test of bioimageio.core on the package.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output.")] = False,
) -> None:
    """Write a model for other programs: a package of the BioImage Model Zoo, ONNX, TorchScript.

    ClickNet takes image (1, 3, H, W) in [0, 1] and prompts (1, 4, H, W): positive and negative
    clicks as disks, regions, and the mask so far; it gives logits. Sides are multiples of 32.
    """
    try:
        if output.suffix == _PACKAGE:
            if output.exists() and not overwrite:
                raise FileExistsError(f"{str(output)!r} is there already; add --overwrite")
            _write_package(name, output, author, maintainer, image)
            typer.echo(f"wrote {output}")
            if test:
                _test_package(output)
        else:
            write_model(name, output, overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)


def write_model(name: str, output: Path, overwrite: bool) -> None:
    """Write ClickNet, or a network that the user adapted or trained, to an ONNX or .pt file.

    Raises
    ------
    ValueError
        If there is no such network, or the file has another suffix.
    FileExistsError
        If the file is there and is not to be replaced.
    ImportError
        If PyTorch or onnx is not installed.
    """
    from napari_promptseg.data.atomic_file import write_bytes
    from napari_promptseg.data.requirements import require
    from napari_promptseg.models.backends.clicknet import ClickNetBackend

    backend, _, variant = name.partition(":")
    if backend != "clicknet":
        raise ValueError(f"{name!r} cannot be exported; valid: clicknet, clicknet:NAME")
    if output.suffix not in _FILES:
        valid = [*_FILES, _PACKAGE]
        raise ValueError(f"cannot export a model to {output.name!r}; valid suffixes: {valid}")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{str(output)!r} is there already; add --overwrite")
    network = ClickNetBackend("cpu", variant=variant)
    if output.suffix == ".onnx":
        from napari_promptseg.models.onnx_files import clicknet_model

        write_bytes(output, clicknet_model(network.weights).SerializeToString())
        return
    require("torch", "timm", extra="torch", purpose="Export to TorchScript")
    from napari_promptseg.models.network_export import write_script

    write_script(network.net, output)


def _write_package(
    name: str,
    output: Path,
    author: list[str] | None,
    maintainer: list[str] | None,
    image: Path | None,
) -> None:
    from napari_promptseg.data.requirements import require
    from napari_promptseg.models.bioimageio.package import write_package

    require("bioimageio.core", "onnx", extra="bioimage", purpose="A package for bioimage.io")
    kind, _, variant = name.partition(":")
    authors, maintainers = tuple(author or _AUTHORS), tuple(maintainer or ())
    if kind == _CLASS and variant:
        from napari_promptseg.few_shot.bioimageio_package import class_package
        from napari_promptseg.few_shot.storage import Library

        few_shot_class = Library(device="cpu").get(variant)
        text, tensors = class_package(few_shot_class, _example(image), authors, maintainers)
    elif kind == "clicknet":
        from napari_promptseg.models.backends.clicknet import ClickNetBackend
        from napari_promptseg.models.bioimageio.clicknet_package import clicknet_package

        title = f"ClickNet for {variant.replace('_', ' ')}" if variant else "ClickNet"
        backend = ClickNetBackend("cpu", variant=variant)
        text, tensors = clicknet_package(
            backend, title, _example(image), authors, maintainers, adapted=bool(variant)
        )
    else:
        raise ValueError(
            f"{name!r} cannot be packed; valid: clicknet, clicknet:NAME, {_CLASS}:NAME"
        )
    write_package(output, text, tensors)


def _test_package(file: Path) -> None:
    """Run the test of the zoo, or say why not."""
    from napari_promptseg.models.bioimageio.package import check_package

    try:
        check_package(file)
    except ValueError as error:
        raise ValueError(f"{error}. The file was kept; --no-test skips the test") from error
    typer.echo("the test of bioimageio.core passed")


def _example(image: Path | None) -> Float32:
    """Return the middle plane of an image as colors."""
    from napari_promptseg.data.geometry import all_planes
    from napari_promptseg.io.read import open_volume
    from napari_promptseg.io.sample_data import open_sample

    volume = open_sample(_SAMPLE)[0] if image is None else open_volume(image)
    planes = list(all_planes(volume.names, volume.shape))
    return volume.plane(planes[len(planes) // 2]).rgb()
