"""Linking of a labelled series: its objects over time, as tracks with their mothers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_promptseg.data.progress import no_report
from napari_promptseg.linking.detections import Detections, find_detections
from napari_promptseg.linking.lap import link_by_assignment
from napari_promptseg.linking.links import Link, LinkLimits, LinkOptions, track_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_promptseg.data.progress import Report


@dataclass(frozen=True, slots=True)
class Linking:
    """Detections of a series with their links and tracks.

    Parameters
    ----------
    detections : Detections
        Objects by time point.
    links : tuple of Link
        New ones, in the order of their sources.
    tracks : (N,) int64 array
        Number of the track of each detection, from 0, in the order of their beginnings.
    mothers : dict of int to int
        Number of the mother track by that of the daughter.
    """

    detections: Detections
    links: tuple[Link, ...]
    tracks: NDArray[np.int64]
    mothers: dict[int, int]


def link_detections(
    detections: Detections,
    labels: NDArray[Any],
    options: LinkOptions,
    limits: LinkLimits,
    progress: Report = no_report,
) -> Linking:
    """Link the objects of a series over time; see `lap`.

    Parameters
    ----------
    detections : Detections
        Of the series.
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        The series.
    options : LinkOptions
        What may be linked.
    limits : LinkLimits
        What is linked already, and what is not the same object.
    progress : callable
        Gets the number of time points done, and of all; may raise to end the work.
    """
    links = sorted(link_by_assignment(detections, labels, options, limits, progress))
    same = [link[:2] for link in links if link.kind != "division"]
    tracks = track_numbers(len(detections), [*same, *limits.links])
    mothers = {
        int(tracks[link.target]): int(tracks[link.source])
        for link in links
        if link.kind == "division"
    }
    return Linking(detections, tuple(links), tracks, mothers)


def link_labels(
    labels: NDArray[Any], spacing: Sequence[float], options: LinkOptions | None = None
) -> tuple[NDArray[np.uint32], dict[int, int]]:
    """Return a series in which each track has a label of its own.

    Labels of the series mean nothing beyond their time point.

    Parameters
    ----------
    labels : (T, Y, X) or (T, Z, Y, X) integer array
        Objects of each time point; 0 is background.
    spacing : sequence of float
        Of the spatial axes.
    options : LinkOptions, optional
        What may be linked.

    Returns
    -------
    tracks : uint32 array
        Of the shape of the labels; from 1, in the order of their beginnings.
    parents : dict of int to int
        Label of the mother by that of the daughter.
    """
    detections = find_detections(labels, spacing)
    limits = LinkLimits.none(len(detections))
    linking = link_detections(detections, labels, options or LinkOptions(), limits)
    tracks = np.zeros(labels.shape, np.uint32)
    for t in range(len(labels)):
        part = detections.at(t)
        tracks[t] = relabelled(labels[t], detections.labels[part], linking.tracks[part] + 1)
    return tracks, {child + 1: mother + 1 for child, mother in linking.mothers.items()}


def relabelled(
    values: NDArray[Any], old: NDArray[np.int64], new: NDArray[np.int64]
) -> NDArray[Any]:
    """Return an array in which some labels are replaced, and the others are as they were.

    Parameters
    ----------
    values : integer array
        Labels.
    old, new : (K,) int64 array
        Labels to replace, each once, and what takes their place.
    """
    result = np.array(values)
    if not len(old):
        return result
    order = np.argsort(old)
    places = np.searchsorted(old, values, sorter=order).clip(max=len(old) - 1)
    numbers = order[places]
    hits = old[numbers] == values
    result[hits] = new[numbers[hits]]
    return result
