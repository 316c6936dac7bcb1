"""Presenter of the track section: linking, corrections, and a tour of divisions and doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_promptseg._napari.keybindings import key_name
from napari_promptseg._napari.layers.viewport import VIEW_EVENTS
from napari_promptseg._napari.presenters.connections import Connections
from napari_promptseg._napari.widgets.lineage_menu import lineage_offers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_promptseg._napari.layers.layer_sync import LayerSync
    from napari_promptseg._napari.presenters.object_results import ObjectResults
    from napari_promptseg._napari.widgets.lineage_menu import Offer
    from napari_promptseg._napari.widgets.object_table import ObjectTable
    from napari_promptseg._napari.widgets.tracks import TrackSection
    from napari_promptseg._napari.worker.snapshot import Snapshot
    from napari_promptseg.session.state import StoredObject
    from napari_promptseg.session.track_linking import LinkReport, TrackLink

_SURE: Final = 0.5
"""Confidence from which on a link to the next time point needs no look."""


class TrackPresenter:
    """Turns the buttons of the track section into commands, for series.

    Parameters
    ----------
    section : TrackSection
        The buttons.
    table : ObjectTable
        Its selected objects are corrected.
    results : ObjectResults
        Shows the layer of tracks.
    show_status : callable
        Shows a message to the user.
    confirm : callable
        Asks a yes-or-no question.
    """

    def __init__(
        self,
        section: TrackSection,
        table: ObjectTable,
        results: ObjectResults,
        show_status: Callable[[str], None],
        confirm: Callable[[str], bool],
    ) -> None:
        self._section, self._table, self._results = section, table, results
        self._show_status, self._confirm = show_status, confirm
        self._connections = Connections()
        self._layer_sync: LayerSync | None = None
        self._links: list[TrackLink] = []
        self._number: int | None = None
        section.link_all.connect(self.link_all)
        section.correct.connect(self._correct)
        section.step.connect(self.step)
        table.selected.connect(self._update)
        table.model.dataChanged.connect(self._update)

    def follow(self, layer_sync: LayerSync | None) -> None:
        """See `Presenter`."""
        self._connections.release()
        self._layer_sync = layer_sync
        self._show_links([])
        is_series = layer_sync is not None and "t" in layer_sync.layout.names
        self._section.setVisible(is_series)
        if layer_sync is None or not is_series:
            return
        self._section.show_unit(layer_sync.controller.volume.units)
        self._connections.connect(layer_sync.controller.events.snapshot, self._show_state)
        for name in VIEW_EVENTS:
            self._connections.connect(getattr(layer_sync.viewer.dims.events, name), self._update)
        self._show_state(layer_sync.controller.snapshot)

    # Linking

    def link_all(self) -> None:
        """Link all objects over time."""
        self._run({"relink": False})

    def _run(self, relink: dict[str, bool], undo: bool = False) -> None:
        if self._layer_sync is not None:
            options = {**self._section.options(), **relink}
            self._layer_sync.controller.results.link_tracks(options, self._linked, undo)

    def _linked(self, report: LinkReport) -> None:
        question = (
            "Most objects jump from one time point to the next: their ids may be those of each "
            "time point alone. Forget the ids, and link all objects anew?"
        )
        if report.jumps and self._confirm(question):
            self._run({"relink": True}, undo=bool(report.links))
            return
        doubts = [link for link in report.links if link.kind != "next" or link.confidence < _SURE]
        self._show_links(doubts)
        if report.links:
            self._results.show_tracks()
        self._show_status(_report_text(report, len(doubts)))

    # Corrections

    def _offers(self) -> list[Offer]:
        if self._layer_sync is None:
            return []
        table = self._table
        return lineage_offers(table.selection(), table.model.sizes, table.time_point())

    def _correct(self, button: str) -> None:
        offer = next((offer for offer in self._offers() if offer.button == button), None)
        if offer is not None and self._layer_sync is not None:
            getattr(self._layer_sync.controller.results, offer.method)(*offer.arguments)

    def _update(self, *_: Any) -> None:
        self._section.show_offers(self._offers())

    def _show_state(self, state: Snapshot) -> None:
        self._section.show_count(len(state.objects))
        objects = {item.label: item for item in state.objects}
        current = [link for link in self._links if _stands(link, objects)]
        if len(current) < len(self._links):  # corrected, or undone
            self._show_links(current)
        self._update()

    # Tour

    def step(self, by: int) -> None:
        """Go to the next link that needs a look, or to the one before, and select its objects."""
        if self._layer_sync is None or not self._links:
            return
        number = self._number
        if number is None:
            number = 0 if by > 0 else len(self._links) - 1
        else:
            number = (number + by) % len(self._links)
        self._number = number
        link = self._links[number]
        self._layer_sync.view.look_at(link.position)
        self._table.select(*link.labels)
        self._section.show_links(len(self._links), number)
        self._show_status(_link_text(link))

    def _show_links(self, links: list[TrackLink]) -> None:
        self._links, self._number = links, None
        self._section.show_links(len(links), None)


def _stands(link: TrackLink, objects: Mapping[int, StoredObject]) -> bool:
    """Return whether a link is still there, as far as boxes and parents tell."""
    first, *daughters = (objects.get(label) for label in link.labels)
    if first is None:
        return False
    if link.kind == "division":
        return all(one is not None and one.parent == first.label for one in daughters)
    begin, end = first.box[0]
    return begin < link.t < end


def _report_text(report: LinkReport, doubts: int) -> str:
    if not report.links:
        return "; ".join(["No new link: all objects are linked, or too far apart", *report.notes])
    parts = [f"{len(report.labels)} tracks"]
    for kind, name in (("division", "division"), ("gap", "gap")):
        if count := len(report.of_kind(kind)):  # type: ignore[arg-type]
            parts.append(f"{count} {name}{'s' * (count > 1)}")
    text = ", ".join(parts)
    if doubts:
        text += ". › goes to the links to check, the least sure first"
    text += f"; {key_name('undo')} undoes all"
    return "; ".join([text, *report.notes])


def _link_text(link: TrackLink) -> str:
    sure = f"{link.confidence:.0%} sure"
    if link.kind == "division":
        mother, *daughters = link.labels
        both = " and ".join(map(str, daughters))
        return (
            f"{mother} divides into {both} at time point {link.t}, {sure}. If not: select {mother} "
            "and the one that is the same, then Link"
        )
    if link.kind == "gap":
        return f"{link.labels[0]} is back at time point {link.t}, {sure}. If it is another one: Cut"
    return f"{link.labels[0]} at time point {link.t}, {sure}. If it is another one: Cut"
