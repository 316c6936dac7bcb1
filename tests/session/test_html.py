"""Sessions in notebooks."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg import Session

SHAPE = (7, 400, 611)
BALL = ellipsoid(SHAPE, (3, 90, 500), (3, 40, 60))
IMAGE = re.compile(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]+)">')


def pictures(html: str) -> list[tuple[str, np.ndarray]]:
    return [
        (alt, np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))
        for alt, data in IMAGE.findall(html)
    ]


@pytest.fixture
def session() -> Session:
    return Session(bright(BALL), ToyBackend(), axes="zyx")


def test_the_plane_of_the_last_prompt_has_the_outline_of_the_mask(session: Session) -> None:
    session.add_point((2, 90, 500))
    html = session._repr_html_()
    ((_, pixels),) = pictures(html)
    assert "plane 2, toy, 0 objects" in html
    assert max(pixels.shape[:2]) == 384
    outline = (pixels == (255, 140, 0)).all(-1)
    rows, columns = np.nonzero(outline)
    scale = 384 / 611
    inside = np.nonzero(BALL[2])
    for coordinates, expected in zip((rows, columns), inside, strict=True):
        assert coordinates.min() == pytest.approx(expected.min() * scale, abs=1.5)
        assert coordinates.max() == pytest.approx(expected.max() * scale, abs=1.5)


def test_objects_are_thumbnails_with_names_that_cannot_do_harm(session: Session) -> None:
    session.add_point((2, 90, 500))
    session.commit("<script>alert(1)</script>")
    html = session._repr_html_()
    parser = HTMLParser()
    tags: list[str] = []
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(html)
    assert "script" not in tags
    assert "&lt;script&gt;" in html
    _, (_, thumbnail) = pictures(html)
    assert max(thumbnail.shape[:2]) == 64


def test_many_objects_keep_it_small() -> None:
    image = np.full((300, 300), 20, np.uint8)
    labels = np.zeros((300, 300), np.uint16)
    for number in range(20):
        row, column = 15 * number, 7 * number
        labels[row : row + 9, column : column + 5] = number + 1
    session = Session(image, ToyBackend(), axes="yx", labels=labels)
    html = session._repr_html_()
    assert len(pictures(html)) == 13
    assert "and 8 more" in html
    assert len(html) < 200_000


def test_clicks_are_drawn_on_their_plane(session: Session) -> None:
    session.add_point((2, 90, 500))
    session.add_point((2, 30, 200), positive=False)
    session.add_point((3, 200, 300), positive=False)
    (_, pixels), *_ = pictures(session._repr_html_())
    assert session.prompts[-1].position[0] == 3
    scale = 384 / 611
    green, red = (40, 220, 40), (240, 40, 40)
    assert tuple(pixels[int(200.5 * scale), int(300.5 * scale)]) == red
    assert not (pixels == green).all(-1).any(), "the click on the object is on another plane"
    session.undo()
    (_, pixels), *_ = pictures(session._repr_html_())
    assert tuple(pixels[int(90.5 * scale), int(500.5 * scale)]) == green
    rows, columns = np.nonzero((pixels == red).all(-1))
    assert rows.mean() == pytest.approx(30.5 * scale, abs=1)
    assert columns.mean() == pytest.approx(200.5 * scale, abs=1)


@pytest.mark.parametrize("place", [(0, 0), (399, 610)])
def test_a_click_in_a_corner_is_drawn_within_the_picture(place: tuple[int, int]) -> None:
    session = Session(np.zeros((400, 611), np.uint8), ToyBackend())
    session.add_point(place, positive=False)
    ((_, pixels),) = pictures(session._repr_html_())
    assert 5 < np.count_nonzero((pixels == (240, 40, 40)).all(-1)) < 25
