"""Readers of bytes of strangers: files of sessions, and messages to the server.

A target takes anything. It raises what its callers expect of bad input, which is caught here, or
it works; all else is a bug.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers import ToyBackend, bright, ellipsoid
from napari_promptseg.data.array_codec import pack
from napari_promptseg.remote.calls import Request
from napari_promptseg.remote.protocol import ImageOffer, PlaneOffer, PlaneQuestion
from napari_promptseg.server.accounts import Hosted
from napari_promptseg.server.faults import fault
from napari_promptseg.server.predict_api import Planes
from napari_promptseg.server.quotas import Quotas
from napari_promptseg.server.uploads import Uploads
from napari_promptseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS = Path(__file__).parent / "fuzzing" / "corpus"
IMAGE = bright(ellipsoid((4, 13, 17), (1.5, 5, 6), (2, 4, 5)))
EXPECTED = (ValueError, OSError)


def small_session(**options) -> Session:
    """Return a session with an object and an active one."""
    first = np.zeros(IMAGE.shape, np.uint8)
    first[3, 1:3, 12:15] = 2
    session = Session(IMAGE, ToyBackend(), labels=first, **options)
    session.add_point((1, 5, 6))
    session.commit("one")
    session.add_scribble([(2, 9, 2), (2, 11, 8)], width=2)
    return session


def use(session: Session) -> None:
    """Do what a user would do next."""
    session.undo()
    session.add_point((1, 5, 6))
    session.propagate(0, 3).run()
    session.discard()


def saved(content: bytes) -> None:
    """Load a saved session."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "a.promptseg"
        file.write_bytes(content)
        use(Session.load(file, backend=ToyBackend()))


@cache
def _journal() -> dict[str, bytes]:
    """Return the files of a whole journal."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "journal"
        small_session(journal=folder).end_journal()
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _recover(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part, whole in {**_journal(), name: content}.items():
            (Path(place) / part).write_bytes(whole)
        session = Session.recover(place, backend=ToyBackend())
        use(session)
        session.end_journal()


def history(content: bytes) -> None:
    """Recover a journal with another history."""
    _recover("history.jsonl", content)


def header(content: bytes) -> None:
    """Recover a journal with another header."""
    _recover("header.json", content)


def labels(content: bytes) -> None:
    """Recover a journal with other labels."""
    _recover("labels.npy", content)


def request(content: bytes) -> None:
    """Answer a call of a client."""
    call = Request.model_validate_json(content).call
    session = small_session()
    hosted = Hosted(None, Path(), lambda: session, lambda: None)
    if call is None:
        return
    if call.do == "add":
        list(hosted.adding(call.prompts))
    elif call.do == "propagate":
        session.propagate(call.start, call.stop, call.axis, call.near).run()
    else:
        hosted.do(call)
    hosted.changes(object())
    use(session)


def question(content: bytes) -> None:
    """Answer prompts on a plane."""
    planes = Planes(ToyBackend)
    plane = IMAGE[1]
    data = pack(plane)
    planes.put(
        "key",
        PlaneOffer.model_construct(
            shape=plane.shape, dtype="|u1", window=(0, 255), spacing=(1, 1), data=data
        ),
    )
    planes.answer("key", PlaneQuestion.model_validate_json(content))


def plane(content: bytes) -> None:
    """Take a plane."""
    Planes(ToyBackend).put("key", PlaneOffer.model_validate_json(content))


def offer(content: bytes) -> None:
    """Make room for an image."""
    with tempfile.TemporaryDirectory() as place:
        uploads = Uploads(Path(place), Quotas(image_bytes=10_000, disk_bytes=20_000))
        image = ImageOffer.model_validate_json(content)
        uploads.offer(image, 0)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (saved, history, header, labels, request, question, plane, offer)
}


def run(name: str, content: bytes) -> bool:
    """Give a target some bytes; return True if they were taken.

    A refusal must be fit for a client: short, and without a path.
    """
    try:
        TARGETS[name](content)
    except EXPECTED as error:
        message = fault(error).message
        assert len(message) <= 1000
        assert tempfile.gettempdir() not in message
        return False
    return True
