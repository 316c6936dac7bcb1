"""The examples of other programs against the real server, by plain HTTP."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(place):
    client = load("http/plane_client.py").PlaneClient(place.url, place.token())
    yield client
    client.close()


def test_health_needs_no_token_and_says_no_more(place) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    for method, path, status in (("GET", "/healthz", 200), ("POST", "/healthz", 401)):
        connection.request(method, path)
        answer = connection.getresponse()
        assert answer.status == status
        content = json.loads(answer.read())
        assert list(content) == ["detail"]
        connection.close()


def test_a_plane_is_segmented_by_plain_http(client, blobs) -> None:
    plane = blobs[4]
    assert client.model()["name"] == "toy"
    one = client.segment(plane, [(12, 15, True)])
    assert np.array_equal(one, np.pad(np.ones((16, 20), bool), ((8, 24), (8, 36))))
    both = client.segment(plane, [(12, 15, True), (35, 50, True)], spacing=(2.0, 1.0))
    assert both[35, 50]
    assert both[12, 15]
    nothing = client.segment(plane, [], prior=np.zeros(plane.shape, bool))
    assert not nothing.any()
    boxed = client.segment(plane, [], box=(28, 34, 46, 60))
    assert boxed[35, 50]
    assert not boxed[12, 15]
    with pytest.raises(OSError, match="422"):
        client.segment(np.zeros((2, 2, 2, 2)), [(0, 0, True)])


def test_a_token_is_not_sent_unencrypted(client) -> None:
    with pytest.raises(ValueError, match="use https"):
        type(client)("http://gpu.example.org:8765", "secret")


def test_slicer_gets_a_segment(client, blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins take the place of the nodes of Slicer, which is no package of Python."""
    corner, spacing = (-20.0, 5.0, 100.0), (0.5, 2.0, 4.0)  # columns, rows, slices

    # ruff: noqa: N802 - names of VTK
    class Matrix:
        def GetElement(self, i: int, j: int) -> float:
            whole = np.diag([*(1 / s for s in spacing), 1.0])
            whole[:3, 3] = [-c / s for c, s in zip(corner, spacing, strict=True)]
            return float(whole[i, j])

    class Points:
        places = (("a", (10, 12, 4)), ("-b", (60, 2, 4)), ("c", (1, 1, 9)))

        def GetNumberOfControlPoints(self) -> int:
            return len(self.places)

        def GetNthControlPointPositionWorld(self, number: int, target: list[float]) -> None:
            place = zip(self.places[number][1], spacing, corner, strict=True)
            target[:] = [i * s + c for i, s, c in place]

        def GetNthControlPointLabel(self, number: int) -> str:
            return self.places[number][0]

    label_maps: list[np.ndarray] = []
    utilities = SimpleNamespace(
        arrayFromVolume=lambda node: blobs,
        updateSegmentBinaryLabelmapFromArray=lambda labels, *_: label_maps.append(labels),
    )
    monkeypatch.setitem(sys.modules, "slicer", SimpleNamespace(util=utilities))
    monkeypatch.setitem(sys.modules, "vtk", SimpleNamespace(vtkMatrix4x4=Matrix))
    volume = SimpleNamespace(GetSpacing=lambda: spacing, GetRASToIJKMatrix=lambda matrix: None)
    names = SimpleNamespace(AddEmptySegment=lambda *_: "1")
    segmentation = SimpleNamespace(GetSegmentation=lambda: names)
    example = load("slicer/promptseg_slicer.py")
    assert example.positions_in(volume, Points())[1] == pytest.approx((4, 2, 60, False))
    count = example.segment_slice(client, volume, Points(), segmentation)
    (labels,) = label_maps
    assert count == labels.sum() == (blobs[4] == 200).sum()
    assert labels[4, 12, 10] == 1


def test_qupath_asks_as_the_client_does() -> None:
    script = (EXAMPLES / "qupath" / "promptseg.groovy").read_text(encoding="utf-8")
    keys = set(re.findall(r"[\[ ,(](\w+): ", script))
    assert {"shape", "dtype", "window", "spacing", "data", "strokes", "path", "positive"} <= keys
    assert script.count("{") == script.count("}")
    assert script.count("(") == script.count(")")
