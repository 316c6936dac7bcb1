"""Linking of the committed objects of a series into tracks, as one step of undo."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.progress import never, no_report
from napari_promptseg.linking.detections import Detections, find_detections
from napari_promptseg.linking.linker import Linking, link_detections, relabelled
from napari_promptseg.linking.links import LinkKind, LinkLimits, LinkOptions
from napari_promptseg.session.history import Change, ImagePatch
from napari_promptseg.session.lineage import without_orphans
from napari_promptseg.session.propagation_record import PropagationRecord
from napari_promptseg.session.store import LABEL_TYPE, LARGEST_LABEL, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data.progress import Report
    from napari_promptseg.session.session_state import SessionState
    from napari_promptseg.session.state import StoredObject


@dataclass(frozen=True, slots=True)
class TrackLink:
    """A link that was made.

    Parameters
    ----------
    kind : {"next", "gap", "division"}
        The same object in the next time point, or after some without it; or a division.
    t : int
        Time point of the later side.
    labels : tuple of int
        Id of the object; of a division those of the mother and both daughters.
    confidence : float
        In [0, 1]: mean of the IoU of both sides and of how near their centres are.
    position : tuple of int
        Centre of the later side, in array index order; of a division that of a daughter.
    """

    kind: LinkKind
    t: int
    labels: tuple[int, ...]
    confidence: float
    position: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinkReport:
    """Result of linking: tracks, new links and notes.

    Parameters
    ----------
    labels : tuple of int
        Ids of the tracks that took part, those of one time point included.
    links : tuple of TrackLink
        New ones, the least sure first.
    notes : tuple of str
        What was left out, and what may be wrong.
    jumps : bool
        Whether most objects jump between time points, as they do where ids mean nothing beyond
        one; see `relink`.
    """

    labels: tuple[int, ...] = ()
    links: tuple[TrackLink, ...] = ()
    notes: tuple[str, ...] = ()
    jumps: bool = False

    def of_kind(self, kind: LinkKind) -> tuple[TrackLink, ...]:
        """Return the links of a kind."""
        return tuple(link for link in self.links if link.kind == kind)


class _CancelledError(Exception):
    """The user has ended the work."""


def link_tracks(
    state: SessionState,
    *,
    max_distance: float | None = None,
    max_gap: int = 2,
    divisions: bool = True,
    relink: bool = False,
    progress: Report = no_report,
    is_cancelled: Callable[[], bool] = never,
) -> LinkReport:
    """Link the committed objects of a series over time, as one step.

    Objects that are the same one get one id; daughters get their mother as parent. What is in
    several time points already stays together, divisions stay, locked objects are left alone,
    and objects of different names or classes are never the same one. No pixel is lost.

    Parameters
    ----------
    max_distance : float, optional
        Between centres in neighbouring time points, in units of the volume; one and a half
        typical diameters when not given.
    max_gap : int
        Time points in which an object may be missing.
    divisions : bool
        Whether objects may divide.
    relink : bool
        Whether ids and divisions of objects without prompts are forgotten first: for labels
        that were made of each time point alone.
    progress : callable
        Gets the number of time points done, and of all.
    is_cancelled : callable
        Polled; once it returns True, nothing changes.

    Returns
    -------
    LinkReport
        Tracks and links, the least sure link first.

    Raises
    ------
    ValueError
        If there is no time axis, a parameter is out of range, or ids run out.
    """
    names = state.volume.names
    if "t" not in names:
        raise ValueError(f"tracks need a time axis, these are {names!r}")
    options = LinkOptions(max_distance, max_gap, divisions)

    def poll(done: int, total: int) -> None:
        if is_cancelled():
            raise _CancelledError
        progress(done, total)

    state.interrupt()
    store = state.store
    spacing = [state.volume.axis_spacing(axis) for axis in range(1, len(names))]
    locked = [label for label, one in store.objects.items() if one.locked]
    detections = find_detections(store.labels, spacing, without=locked)
    task = _Task(store, detections, relink)
    try:
        linking = link_detections(detections, store.labels, options, task.limits(), poll)
    except _CancelledError:
        return LinkReport(notes=("cancelled: nothing has changed",))
    ids, change = task.change(linking)
    if change.patches or change.objects:
        store.do(change)
    links = _track_links(linking, ids, spacing)
    notes = []
    if locked:
        notes.append(f"{len(locked)} locked object{'s' * (len(locked) > 1)} left as they are")
    jumping, several = _jumping(task, options)
    jumps = 2 * jumping > several
    if not len(store.events.notice):  # a front end shows the report
        if jumps:
            limit = f"{options.distance(detections.diameter):.3g} {state.volume.units}"
            notes.append(
                f"{jumping} of {several} objects jump by more than {limit} between time points: "
                "if ids mean nothing from one to the next, link with relink=True"
            )
        for note in notes:
            warnings.warn(note, stacklevel=3)
    return LinkReport(tuple(sorted(ids)), links, tuple(notes), jumps)


class _Task:
    """Objects that are linked, with what is known of them before."""

    def __init__(self, store: Store, detections: Detections, relink: bool) -> None:
        self.store, self.detections = store, detections
        self.members: dict[int, list[int]] = {}
        """Numbers of the detections of each object, in the order of time."""
        for number, label in enumerate(detections.labels.tolist()):
            self.members.setdefault(label, []).append(number)
        self.objects = {label: store.objects[label] for label in self.members}
        self.whole = {label for label, one in self.objects.items() if one.prompts or not relink}
        """Objects that stay together."""

    def parent(self, one: StoredObject) -> int | None:
        """Return the parent that an object keeps."""
        stays = one.label in self.whole and (
            one.parent in self.whole or one.parent not in self.objects
        )
        return one.parent if stays else None

    def limits(self) -> LinkLimits:
        count = len(self.detections)
        children, mothers = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        chains = [pair for label in self.whole for pair in pairwise(self.members[label])]
        # A parent may be locked, and so may a daughter: those of all objects count.
        for one in self.store.objects.values():
            parent = self.parent(one) if one.label in self.objects else one.parent
            if parent is not None and one.label in self.objects:
                children[self.members[one.label][0]] = True
            if parent in self.whole:
                mothers[self.members[parent][-1]] = True
        groups = tuple(
            self._codes({label: getattr(one, name) for label, one in self.objects.items()})
            for name in ("name", "class_name")
        )
        return LinkLimits(chains, groups, children, mothers)

    def _codes(self, texts: Mapping[int, str]) -> NDArray[np.int64]:
        """Return a number for the text of each detection, 0 where that is empty."""
        codes = {text: code for code, text in enumerate(sorted({*texts.values()} - {""}), 1)}
        return np.array(
            [codes.get(texts[label], 0) for label in self.detections.labels.tolist()], np.int64
        )

    def change(self, linking: Linking) -> tuple[list[int], Change]:
        """Return the id of each track, and the change that brings the objects to them."""
        ids = self._ids(linking.tracks)
        tracks: list[list[int]] = [[] for _ in ids]
        for number, track in enumerate(linking.tracks.tolist()):
            tracks[track].append(number)
        last_ids = {
            label: ids[int(linking.tracks[members[-1]])] for label, members in self.members.items()
        }
        new_objects = {}
        for track, members in enumerate(tracks):
            one = self._object(ids[track], members)
            mother = linking.mothers.get(track)
            if mother is not None:
                one = replace(one, parent=ids[mother])
            elif one.parent is not None:
                one = replace(one, parent=last_ids.get(one.parent, one.parent))
            new_objects[ids[track]] = one
        objects = {
            label: (self.store.objects.get(label), new_objects.get(label))
            for label in sorted({*self.objects, *new_objects})
            if self.store.objects.get(label) != new_objects.get(label)
        }
        new_labels = np.array(ids, np.int64)[linking.tracks]
        change = Change(
            "link tracks", (self.store.draft,) * 2, objects, tuple(self._patches(new_labels))
        )
        return ids, without_orphans(self.store, change, last_ids)

    def _ids(self, tracks: NDArray[np.int64]) -> list[int]:
        """Return the id of each track: that of the object which it has most of."""
        pairs, counts = np.unique(
            np.column_stack([tracks, self.detections.labels]).reshape(-1, 2),
            axis=0,
            return_counts=True,
        )
        ids: dict[int, int] = {}
        free = set(self.objects)
        for row in np.lexsort((pairs[:, 1], pairs[:, 0], -counts)).tolist():
            track, label = pairs[row].tolist()
            if track not in ids and label in free:
                ids[track] = label
                free.discard(label)
        occupied = {*self.store.objects, self.store.draft.label}
        unused = (label for label in range(1, LARGEST_LABEL + 1) if label not in occupied)
        count = int(tracks.max(initial=-1)) + 1
        for track in range(count):
            if track not in ids and (label := next(unused, None)) is not None:
                ids[track] = label
        if len(ids) < count:
            raise ValueError(f"{count} tracks, but ids end at {LARGEST_LABEL}; delete some first")
        return [ids[track] for track in range(count)]

    def _object(self, label: int, numbers: Sequence[int]) -> StoredObject:
        """Return the object of a track of detections."""
        detections = self.detections
        labels = list(dict.fromkeys(detections.labels[list(numbers)].tolist()))
        sources = [self.objects[one] for one in labels]
        parent = self.parent(sources[0])
        if labels == [label] and len(numbers) == len(self.members[label]):
            return replace(sources[0], parent=parent)
        frames, boxes = detections.frames[list(numbers)], detections.boxes[list(numbers)]
        base = self.objects[label] if label in labels else sources[0]
        colors = [
            one.color for one in (base, *sources) if one.color and one.label in (label, *self.whole)
        ]
        return replace(
            base,
            label=label,
            name=next((one.name for one in sources if one.name), ""),
            class_name=next((one.class_name for one in sources if one.class_name), ""),
            color=next(iter(colors), None),
            prompts=tuple(prompt for one in sources for prompt in one.prompts),
            box=(
                (int(frames[0]), int(frames[-1]) + 1),
                *zip(boxes[:, :, 0].min(0).tolist(), boxes[:, :, 1].max(0).tolist(), strict=True),
            ),
            propagated=PropagationRecord(),
            parent=parent,
        )

    def _patches(self, new_labels: NDArray[np.int64]) -> Any:
        """Yield the patches that give detections their new labels."""
        detections, labels = self.detections, self.store.labels
        for t in range(len(labels)):
            part = detections.at(t)
            numbers = np.flatnonzero(detections.labels[part] != new_labels[part]) + part.start
            if not len(numbers):
                continue
            boxes = detections.boxes[numbers]
            box = (
                (t, t + 1),
                *zip(boxes[:, :, 0].min(0).tolist(), boxes[:, :, 1].max(0).tolist(), strict=True),
            )
            old = np.asarray(labels[box_slices(box)])
            new = relabelled(old, detections.labels[numbers], new_labels[numbers])
            yield ImagePatch.between("labels", box, old, new.astype(LABEL_TYPE))


def _track_links(
    linking: Linking, ids: Sequence[int], spacing: Sequence[float]
) -> tuple[TrackLink, ...]:
    detections, tracks = linking.detections, linking.tracks
    daughters: dict[int, list[int]] = {}
    for link in linking.links:
        if link.kind == "division":
            daughters.setdefault(link.source, []).append(link.target)
    links = []
    for link in linking.links:
        both = daughters.get(link.source, [])
        if link.kind == "division" and link.target != both[0]:
            continue
        sides = [link.source, *both] if both else [link.target]
        labels = tuple(ids[int(tracks[side])] for side in sides)
        centre = np.round(detections.centres[link.target] / spacing).astype(int).tolist()
        t = int(detections.frames[link.target])
        links.append(TrackLink(link.kind, t, labels, 1 - min(link.cost, 1.0), (t, *centre)))
    return tuple(sorted(links, key=lambda link: (link.confidence, link.t, link.labels)))


def _jumping(task: _Task, options: LinkOptions) -> tuple[int, int]:
    """Return how many objects jump between time points, and how many are in several.

    Those with prompts were followed by hand, and are not counted.
    """
    detections = task.detections
    labels = [label for label in task.whole if not task.objects[label].prompts]
    pairs = np.array([pair for label in labels for pair in pairwise(task.members[label])], np.int64)
    if not len(pairs):
        return 0, 0
    first, second = pairs.T
    steps = detections.centres[second] - detections.centres[first]
    # What all objects do together is a drift, and no jump.
    times = np.stack([detections.frames[first], detections.frames[second]], axis=1)
    _, groups = np.unique(times, axis=0, return_inverse=True)
    for group in range(int(groups.max()) + 1):
        steps[groups == group] -= np.median(steps[groups == group], axis=0)
    far = np.linalg.norm(steps, axis=1) > options.distance(detections.diameter)
    owners = detections.labels[first]
    return len(np.unique(owners[far])), len(np.unique(owners))
