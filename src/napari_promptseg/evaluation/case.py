"""One piece of a benchmark: one backend on one image, volume or sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_promptseg.evaluation.datasets import Case
from napari_promptseg.evaluation.everything import measure_everything
from napari_promptseg.evaluation.images import measure_image
from napari_promptseg.evaluation.videos import measure_frames, measure_video
from napari_promptseg.evaluation.volumes import measure_planes, measure_volume
from napari_promptseg.propagation.registry import AUTO, create_propagator, split_spec
from napari_promptseg.wrappers.options import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_promptseg.evaluation.options import Options, Run
    from napari_promptseg.models.base import Backend


@dataclass(frozen=True, slots=True)
class Work:
    """One case measured with one backend, the unit of work of a process.

    Parameters
    ----------
    set_name : str
        Name of the data set, as it is reported.
    case : Case
        What is measured on.
    backend : str
        Specification of the backend and its propagator, such as "clicknet+flips@flow".
    """

    set_name: str
    case: Case
    backend: str


class Backends:
    """Backends by their specification, each loaded once for all propagators.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[str, Backend] = {}

    def load(self, spec: str) -> tuple[Backend, str]:
        """Return the backend of a specification, and the name of its propagator.

        Raises
        ------
        ValueError
            If there is no such backend, wrapper or propagator, or they do not fit.
        """
        backend, propagator = split_spec(spec)
        if backend not in self._loaded:
            self._loaded[backend] = build(backend, device=self._device)
        if propagator != AUTO:  # a mistake is told now, not when a volume comes
            create_propagator(propagator, self._loaded[backend])
        return self._loaded[backend], propagator

    def close(self) -> None:
        """Free them."""
        for backend in self._loaded.values():
            backend.close()
        self._loaded.clear()


def measure_case(
    case: Case, backend: Backend, options: Options, propagator: str = AUTO
) -> Iterator[Run]:
    """Measure a backend on one image, volume or sequence, object by object.

    Parameters
    ----------
    case : Case
        What is measured on.
    backend : Backend
        What is measured.
    options : Options
        What is asked of it.
    propagator : str
        Name of the propagator.

    Raises
    ------
    ValueError
        If a file cannot be read, or the backend lacks a kind of prompt.
    """
    content = case.read()
    if options.everything:
        run = measure_everything(content, backend, case.name, options.class_ids)
        yield from () if run is None else (run,)
        return
    match case.layout, options.planes:
        case "images", _:
            labels = options.choose(content.ids, case.name)
            yield from measure_image(content, backend, options, case.name, labels)
        case "volumes", False:
            yield from measure_volume(content, backend, options, case.name, propagator)
        case "volumes", True:
            yield from measure_planes(content, backend, options, case.name)
        case _, False:
            yield from measure_video(content, backend, options, case.name, propagator)
        case _, True:
            yield from measure_frames(content, backend, options, case.name)
