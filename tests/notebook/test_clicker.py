"""The clicker: messages of the browser become steps of the session."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg import Session

pytest.importorskip("anywidget", reason="the extra 'notebook' is not installed")
notebook = pytest.importorskip("napari_promptseg.notebook")

SHAPE = (5, 40, 60)
BALL = ellipsoid(SHAPE, (2, 12, 45), (2, 8, 10))


@pytest.fixture
def session() -> Session:
    return Session(bright(BALL), ToyBackend(), axes="zyx")


def send(widget: Any, **content: Any) -> None:
    """Deliver a message as the front end of Jupyter does."""
    widget._handle_msg(
        {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    )


def pixels(widget: Any) -> np.ndarray:
    data = base64.b64decode(widget.image.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_clicks_and_boxes_reach_the_session(session: Session) -> None:
    widget = notebook.Clicker(session, 1)
    before = pixels(widget)
    send(widget, do="click", at=[12.5 / 40, 45.5 / 60], positive=True)
    (prompt,) = session.prompts
    assert prompt.position == pytest.approx((1, 12, 45))
    assert np.array_equal(session.mask[1], BALL[1])
    assert (pixels(widget) != before).any()
    assert f"{BALL[1].sum():,} pixels" in widget.status
    send(widget, do="click", at=[0.9, 0.1], positive=False)
    assert session.prompts[1].positive is False
    send(widget, do="undo")
    assert len(session.prompts) == 1
    send(widget, do="commit")
    assert "Committed: 1" in widget.status
    send(widget, do="box", **{"from": [0.1, 0.5], "to": [0.6, 0.95]}, positive=True)
    assert session.prompts[0].low == pytest.approx((1, 3.5, 29.5))


def test_planes_are_turned(session: Session) -> None:
    widget = notebook.Clicker(session)
    assert widget.index == [2]
    assert widget.sizes == [5]
    first = pixels(widget)
    widget.set_state({"index": [0]})
    assert (pixels(widget) != first).any()
    send(widget, do="click", at=[0.3, 0.75], positive=True)
    assert session.prompts[0].position[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"do": "explode"}, "unknown step 'explode'; valid: "),
        ({"do": "click", "at": [2, 0.5]}, "must lie in the picture"),
        ({"do": "click"}, "Not done: 'at'"),
        ({"do": "commit"}, "Not done: "),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(session: Session, content: Any, message: str) -> None:
    widget = notebook.Clicker(session)
    send(widget, **content)
    assert message in widget.status
    assert session.history == ()


def test_the_script_sends_what_the_widget_reads() -> None:
    script = (Path(notebook.__file__).parent / "clicker.js").read_text(encoding="utf-8")
    for name in ("image", "index", "sizes", "status"):
        assert f'model.get("{name}")' in script
    for step in ("click", "box"):
        assert f'do: "{step}"' in script
