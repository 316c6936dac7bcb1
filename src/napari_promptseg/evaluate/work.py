"""One piece of a benchmark: one backend on one image, volume or sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_promptseg.evaluate.cases import Case
from napari_promptseg.evaluate.images import measure_image
from napari_promptseg.evaluate.videos import measure_frames, measure_video
from napari_promptseg.evaluate.volumes import measure_planes, measure_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.backends.base import Backend
    from napari_promptseg.evaluate.runs import Options, Run


@dataclass(frozen=True, slots=True)
class Work:
    """What one process does at a time.

    Parameters
    ----------
    set_name : str
        Name of the data set, as it is reported.
    case : Case
        What is measured on.
    backend : str
        Specification of the backend.
    """

    set_name: str
    case: Case
    backend: str


def measure_case(case: Case, backend: Backend, options: Options) -> Iterator[Run]:
    """Measure a backend on one image, volume or sequence, object by object.

    Parameters
    ----------
    case : Case
        What is measured on.
    backend : Backend
        What is measured.
    options : Options
        What is asked of it.

    Raises
    ------
    ValueError
        If a file cannot be read, or the backend lacks a kind of prompt.
    """
    content = case.read()
    match case.layout, options.planes:
        case "images", _:
            labels = options.choose(content.ids, case.name)
            yield from measure_image(content, backend, options, case.name, labels)
        case "volumes", False:
            yield from measure_volume(content, backend, options, case.name)
        case "volumes", True:
            yield from measure_planes(content, backend, options, case.name)
        case _, False:
            yield from measure_video(content, backend, options, case.name)
        case _, True:
            yield from measure_frames(content, backend, options, case.name)
