"""`promptseg track`: objects of a labelled series linked over time."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_promptseg.cli.options import check_output, fail
from napari_promptseg.cli.segment import Axes, Output, Overwrite, Spacing, open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.volume import Volume


def track(
    labels: Annotated[Path, typer.Argument(help="Labels of a series; ids may change in time.")],
    output: Output,
    image: Annotated[
        Path | None, typer.Option(help="The image, for geometry that the labels do not state.")
    ] = None,
    max_distance: Annotated[
        float | None,
        typer.Option(
            help="Between centres in neighbouring time points, in units of the image; one and a "
            "half typical diameters when not given."
        ),
    ] = None,
    max_gap: Annotated[
        int, typer.Option(help="Time points in which an object may be missing.")
    ] = 2,
    divisions: Annotated[
        bool, typer.Option("--divisions/--no-divisions", help="Whether objects may divide.")
    ] = True,
    axes: Axes = None,
    spacing: Spacing = None,
    overwrite: Overwrite = False,
) -> None:
    """Give each object of a series one id through time, and daughters their mother.

    Ids of the input mean nothing beyond their time point. Targets that end in _RES (Cell
    Tracking Challenge), .geff or .xml (TrackMate) hold the divisions too.
    """
    from napari_promptseg.io.write import write_labels
    from napari_promptseg.linking.linker import link_labels
    from napari_promptseg.linking.links import LinkOptions
    from napari_promptseg.measure.tracks import label_frames

    try:
        check_output(output, overwrite)
        options = LinkOptions(max_distance, max_gap, divisions)
        volume, values = _read(labels, image, axes, spacing)
        steps = [volume.axis_spacing(axis) for axis in range(1, len(volume.names))]
        tracks, parents = link_labels(values, steps, options)
        write_labels(output, tracks, volume, parents=parents, overwrite=overwrite)
    except (ValueError, OSError, ImportError) as error:
        fail(error)
    frames = label_frames(tracks)
    single = sum(len(times) == 1 for times in frames.values())
    mothers = len(set(parents.values()))
    text = f"{output}: {len(frames)} tracks, {mothers} division{'s' * (mothers != 1)}"
    typer.echo(f"{text}; {single} in one time point alone" if single else text)


def _read(
    labels: Path, image: Path | None, axes: str | None, spacing: str | None
) -> tuple[Volume, NDArray[Any]]:
    """Return the image, or what stands for it, and the labels.

    Raises
    ------
    ValueError
        If there is no time axis, or the labels are no whole numbers.
    """
    import numpy as np

    from napari_promptseg.io.read_labels import read_labels

    volume = open_image(image or labels, axes, spacing)
    if "t" not in volume.names:
        raise ValueError(f"tracks need a time axis, these are {volume.names!r}; pass --axes tyx")
    if image is None:
        values = np.asarray(volume.data)
    else:
        values, legend = read_labels(labels, volume)
        for note in legend.notes:
            typer.echo(f"note: {note}", err=True)
    if values.dtype.kind not in "ui" or values.shape != volume.shape or values.min(initial=0) < 0:
        raise ValueError(
            f"{labels}: expected whole numbers from 0 of shape {volume.shape}, got {values.dtype} "
            f"of {values.shape}"
        )
    return volume, values
