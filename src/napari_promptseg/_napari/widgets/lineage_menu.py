"""Lineage menu: entries for objects of a time series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_promptseg._napari.worker.object_sizes import ObjectSizes
    from napari_promptseg.session.state import StoredObject

LINK: Final = "Link"
CUT: Final = "Cut"
DIVIDE: Final = "Divide"
SWAP: Final = "Swap"


class Offer(NamedTuple):
    """An entry of the menu.

    Parameters
    ----------
    text : str
        What the user reads.
    method : str
        Method of the controller.
    arguments : tuple
        What it is called with.
    button : str
        Text of the button of the track section that does the same; empty without one.
    """

    text: str
    method: str
    arguments: tuple[object, ...]
    button: str = ""


def lineage_offers(
    selected: Sequence[StoredObject], sizes: Mapping[int, ObjectSizes], here: int | None
) -> list[Offer]:
    """Return what can be said about the selected objects at a time point.

    Parameters
    ----------
    selected : sequence of StoredObject
        The selected objects.
    sizes : mapping of int to ObjectSizes
        By label; nothing is offered for objects that were not measured yet.
    here : int or None
        Time point in view; None without time.
    """
    times = {s.label: sizes[s.label].times for s in selected if s.label in sizes}
    if here is None or not times or len(times) < len(selected) or not all(times.values()):
        return []
    if len(selected) == 1:
        return _offers_for_one(selected[0], times[selected[0].label], here)
    offers = _division(selected, times)
    return [*_offers_for_two(times, here), *offers] if len(selected) == 2 else offers


def _offers_for_one(item: StoredObject, times: tuple[int, ...], here: int) -> list[Offer]:
    label, offers = item.label, []
    if times[0] < here <= times[-1]:
        text = f"New object from time point {here} on, daughter of {label}"
        offers.append(Offer(text, "divide", (label, (), here)))
    if times[0] <= here < times[-1]:
        offers.append(Offer(f"End {label} at time point {here}", "end_track", (label, here)))
    if times[0] < here <= times[-1]:
        text = f"Cut {label} before time point {here}: an object of its own from there on"
        offers.append(Offer(text, "unlink", (label, here), CUT))
    if item.parent is not None:
        text = f"Unlink {label} from {item.parent}"
        offers.append(Offer(text, "unlink", (label,), CUT))
    return offers


def _offers_for_two(times: Mapping[int, tuple[int, ...]], here: int) -> list[Offer]:
    """Offer to link two objects, and to swap them from a time point on."""
    first, second = sorted(times, key=lambda label: (times[label][0], label))
    if times[first][-1] < times[second][0]:
        text = f"Link {first} and {second}: {second} becomes a part of {first}"
        return [Offer(text, "link", (first, second), LINK)]
    offers = []
    for early, late in ((first, second), (second, first)):
        if times[early][0] < here <= times[late][-1]:
            text = f"{early} goes on as {late} from time point {here} on"
            offers.append(Offer(text, "link", (early, late, here), LINK))
    if offers:
        text = f"Swap {first} and {second} from time point {here} on"
        offers.append(Offer(text, "swap_tracks", (first, second, here), SWAP))
    return offers


def _division(
    selected: Sequence[StoredObject], times: Mapping[int, tuple[int, ...]]
) -> list[Offer]:
    """Offer a division of the object that is there first into the others."""
    parent, *daughters = sorted(selected, key=lambda item: (times[item.label][0], item.label))
    begin = min(times[item.label][0] for item in daughters)
    linked = any(item.parent not in (None, parent.label) for item in daughters)
    if linked or begin <= times[parent.label][0]:
        return []
    labels = tuple(item.label for item in daughters)
    label_text = " and ".join(map(str, labels))
    if times[parent.label][-1] < begin:
        text = f"Division of {parent.label} into {label_text}"
        return [Offer(text, "divide", (parent.label, labels, None), DIVIDE)]
    text = f"Division of {parent.label} at time point {begin} into {label_text} and a new object"
    return [Offer(text, "divide", (parent.label, labels, begin), DIVIDE)]
