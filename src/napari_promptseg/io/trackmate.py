"""TrackMate files: the objects of a series as spots with links between them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_promptseg.data.geometry import box_slices
from napari_promptseg.data.labels import label_boxes
from napari_promptseg.data.volume import SPACING
from napari_promptseg.io.names import xml_text
from napari_promptseg.io.outlines import outlines
from napari_promptseg.io.track_spots import Spot, draw
from napari_promptseg.measure.tracks import Tracks, track_edges, track_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_promptseg.data._typing import Mask
    from napari_promptseg.data.volume import Volume
    from napari_promptseg.io.metadata import Legend

SUFFIXES: Final = (".xml",)
_VERSION: Final = "7.14.0"
_UNITS: Final = {"µm": "micron", "Å": "angstrom"}
_FEATURES: Final = {
    "SpotFeatures": {
        "QUALITY": "QUALITY",
        "POSITION_X": "POSITION",
        "POSITION_Y": "POSITION",
        "POSITION_Z": "POSITION",
        "POSITION_T": "TIME",
        "FRAME": "NONE",
        "RADIUS": "LENGTH",
        "VISIBILITY": "NONE",
        "MANUAL_SPOT_COLOR": "NONE",
        "LABEL": "NONE",
    },
    "EdgeFeatures": {"SPOT_SOURCE_ID": "NONE", "SPOT_TARGET_ID": "NONE"},
    "TrackFeatures": {"TRACK_ID": "NONE"},
}
_WHOLE: Final = (
    *("FRAME", "VISIBILITY", "MANUAL_SPOT_COLOR", "LABEL"),
    *("SPOT_SOURCE_ID", "SPOT_TARGET_ID", "TRACK_ID"),
)


def write(path: Path, labels: NDArray[Any], volume: Volume, legend: Legend) -> None:
    """Write a spot for each object and time point, and the tracks.

    Positions are in the unit of the image, in pixels where its spacing is not stated. In 2D a
    spot has the outline of the largest piece of its object; in 3D it is the ball of its volume.
    The feature ``LABEL`` is the label.

    Raises
    ------
    ValueError
        If there is no time axis or no object, or a parent ends after its daughter begins.
    """
    if "t" not in volume.names:
        raise ValueError(f"tracks need a time axis, these labels have axes {volume.names!r}")
    tracks = track_points(labels, legend.parents)
    if not len(tracks.data):
        raise ValueError("there is no object to write: TrackMate needs one spot at least")
    root = ET.Element("TrackMate", version=_VERSION)
    is_known = volume.states(SPACING)
    unit = _UNITS.get(volume.units, volume.units) if is_known else "pixel"
    model = ET.SubElement(root, "Model", spatialunits=unit, timeunits="frame")
    _declare(ET.SubElement(model, "FeatureDeclarations"))
    _add_spots(ET.SubElement(model, "AllSpots"), tracks.data, labels, volume, legend)
    _add_tracks(model, tracks)
    settings = ET.SubElement(root, "Settings")
    ET.SubElement(settings, "ImageData", _image(volume))
    ET.indent(root)
    ET.ElementTree(root).write(path, "UTF-8", xml_declaration=True)


def _steps(volume: Volume) -> tuple[float, ...]:
    """Return the size of a pixel along the axes of space."""
    count = len(volume.names) - 1
    if not volume.states(SPACING):
        return (1.0,) * count
    return tuple(volume.axis_spacing(axis + 1) for axis in range(count))


def _declare(declarations: ET.Element) -> None:
    for kind, features in _FEATURES.items():
        group = ET.SubElement(declarations, kind)
        for feature, dimension in features.items():
            ET.SubElement(
                group,
                "Feature",
                feature=feature,
                name=feature.replace("_", " ").capitalize(),
                shortname=feature,
                dimension=dimension,
                isint=str(feature in _WHOLE).lower(),
            )


def _add_spots(
    parent: ET.Element,
    points: NDArray[np.float64],
    labels: NDArray[Any],
    volume: Volume,
    legend: Legend,
) -> None:
    steps = np.array(_steps(volume))
    parent.set("nspots", str(len(points)))
    for t, frame in enumerate(labels):
        group = ET.SubElement(parent, "SpotsInFrame", frame=str(t))
        boxes = label_boxes(frame)
        for row in np.flatnonzero(points[:, 1] == t):
            label, centre = int(points[row, 0]), points[row, 2:]
            mask = frame[box_slices(boxes[label])] == label
            corner = [start for start, _ in boxes[label]]
            z, y, x = [0.0] * (3 - len(steps)) + (centre * steps).tolist()
            name = legend.names.get(label) or f"object {label}"
            attributes = {
                "ID": str(row),
                "name": xml_text(name),
                "QUALITY": "1.0",
                "POSITION_X": repr(x),
                "POSITION_Y": repr(y),
                "POSITION_Z": repr(z),
                "POSITION_T": repr(float(t)),
                "FRAME": str(t),
                "RADIUS": repr(_radius(mask, steps)),
                "VISIBILITY": "1",
                "LABEL": str(label),
            }
            if color := legend.colors.get(label):
                # Alpha, red, green and blue as a signed number of 32 bits.
                attributes["MANUAL_SPOT_COLOR"] = str(
                    int.from_bytes(bytes([255, *color]), signed=True)
                )
            spot = ET.SubElement(group, "Spot", attributes)
            if mask.ndim == 2:
                corners = (_outline(mask) + np.array(corner[::-1]) - centre[::-1]) * steps[::-1]
                spot.set("ROI_N_POINTS", str(len(corners)))
                spot.text = " ".join(f"{value:.9g}" for value in corners.ravel())


def _radius(mask: Mask, steps: NDArray[np.float64]) -> float:
    """Return the radius of the disc or ball of the size of a mask."""
    size = float(np.count_nonzero(mask) * steps.prod())
    return float((size / np.pi) ** 0.5 if mask.ndim == 2 else (size * 0.75 / np.pi) ** (1 / 3))


def _outline(mask: Mask) -> NDArray[np.float64]:
    """Return the corners (x, y) of the largest piece; the centre of the first pixel is at 0."""
    pieces = [piece.joined()[:-1] - 0.5 for piece in outlines(mask)]
    return max(pieces, key=lambda corners: float(np.ptp(corners, axis=0).prod()))


def _add_tracks(model: ET.Element, tracks: Tracks) -> None:
    """Add a track for each lineage: all objects that hang together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(track_edges(tracks), np.int64).reshape(-1, 2)
    count = len(tracks.data)
    matrix = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, lineages = connected_components(matrix, directed=False)
    all_tracks = ET.SubElement(model, "AllTracks")
    filtered_tracks = ET.SubElement(model, "FilteredTracks")
    for number in np.unique(lineages[edges[:, 0]]).tolist():
        track = ET.SubElement(all_tracks, "Track", name=f"Track_{number}", TRACK_ID=str(number))
        for source, target in edges[lineages[edges[:, 0]] == number].tolist():
            ET.SubElement(track, "Edge", SPOT_SOURCE_ID=str(source), SPOT_TARGET_ID=str(target))
        ET.SubElement(filtered_tracks, "TrackID", TRACK_ID=str(number))


def _image(volume: Volume) -> dict[str, str]:
    source = Path(volume.source or "")
    z, y, x = (1.0, *_steps(volume))[-3:]
    sizes = dict(zip(volume.names, volume.shape, strict=True))
    return {
        "filename": xml_text(source.name),
        "folder": xml_text(str(source.parent)) if volume.source else "",
        "width": str(sizes["x"]),
        "height": str(sizes["y"]),
        "nslices": str(sizes.get("z", 1)),
        "nframes": str(sizes["t"]),
        "pixelwidth": repr(x),
        "pixelheight": repr(y),
        "voxeldepth": repr(z),
        "timeinterval": "1.0",
    }


def read(path: Path, volume: Volume) -> tuple[NDArray[np.uint32], Legend]:
    """Draw the visible spots of a file onto a series, with an object for each track branch.

    Spots without an outline are discs or balls of their radius. Positions are divided by the
    size of a pixel that the file states. See `track_spots.draw`.

    Raises
    ------
    ValueError
        If it is no TrackMate file, or its spots do not fit the series.
    """
    root = ET.parse(path).getroot()
    if root.tag != "TrackMate":
        raise ValueError(f"its root is {root.tag!r}, that of TrackMate files is 'TrackMate'")
    image = root.find("Settings/ImageData")
    image_attributes: Mapping[str, str] = {} if image is None else image.attrib
    steps = [
        float(image_attributes.get(name) or 1)
        for name in ("voxeldepth", "pixelheight", "pixelwidth")
    ][-(len(volume.names) - 1) :]
    spots = {
        int(element.attrib["ID"]): _spot(element.attrib, element.text, steps)
        for element in root.iterfind("Model/AllSpots/SpotsInFrame/Spot")
        if element.get("VISIBILITY", "1") != "0"
    }
    track_ids = {e.get("TRACK_ID") for e in root.iterfind("Model/FilteredTracks/TrackID")}
    edges = [
        (int(edge.attrib["SPOT_SOURCE_ID"]), int(edge.attrib["SPOT_TARGET_ID"]))
        for track in root.iterfind("Model/AllTracks/Track")
        if not track_ids or track.get("TRACK_ID") in track_ids
        for edge in track.iterfind("Edge")
    ]
    return draw(spots, edges, volume)


def _spot(attributes: Mapping[str, str], text: str | None, steps: Sequence[float]) -> Spot:
    names = ("POSITION_Z", "POSITION_Y", "POSITION_X")[-len(steps) :]
    position = np.array([float(attributes[name]) for name in names])
    radius = float(attributes.get("RADIUS", 0))
    outline = None
    count = int(attributes.get("ROI_N_POINTS", 0))
    if count and len(steps) == 2 and text:
        corners = np.array(text.split(), np.float64).reshape(count, -1)[:, 1::-1]
        outline = (corners + position) / steps
    color = None
    if number := attributes.get("MANUAL_SPOT_COLOR"):
        red, green, blue = (int(number) & 0xFFFFFF).to_bytes(3)
        color = red, green, blue
    return Spot(
        round(float(attributes["FRAME"])),
        tuple((position / steps).tolist()),
        tuple((radius / np.array(steps)).tolist()),
        outline,
        attributes.get("name", ""),
        color,
    )
