"""Too little memory: less of the plane, then the CPU, then a clear error; nothing changes then."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Snapshot, ToyBackend
from napari_promptseg.models.validation import is_out_of_memory
from napari_promptseg.session import predictor
from napari_promptseg.session.session import Session

SIDE = 700


class Small(ToyBackend):
    """Has room for so many rows, on its device."""

    room = 0

    def predict(self, embedding, *args, **kwargs):
        if embedding.shape[0] > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 8.00 GiB")
        return super().predict(embedding, *args, **kwargs)


@pytest.fixture
def image():
    data = np.full((SIDE, SIDE), 20, np.uint8)
    data[300:340, 300:350] = 200
    return data


def heard(session: Session) -> list[str]:
    notices: list[str] = []
    session.events.notice.connect(notices.append)
    return notices


def test_a_part_of_the_plane_is_looked_at_where_all_is_too_much(image) -> None:
    backend = Small()
    backend.room = 400
    session = Session(image, backend)
    notices = heard(session)
    session.add_point((320, 320))
    assert np.array_equal(session.mask, image == 200)
    session.add_point((310, 310), positive=False)
    assert not session.mask.any()
    assert notices == ["Too little memory for all of the plane: a part of it was looked at"] * 2


def test_a_given_backend_without_room_is_an_error_and_changes_nothing(image) -> None:
    session = Session(image, Small())
    before = Snapshot.of(session)
    with pytest.raises(MemoryError, match="toy needs more memory than there is"):
        session.add_point((320, 320))
    assert not before.differences(Snapshot.of(session))


def test_the_cpu_answers_where_the_gpu_cannot(image, monkeypatch) -> None:
    devices = []

    def create(name: str, *, device: str) -> Small:
        backend = Small()
        backend.device, backend.room = ("cuda", 10) if device == "auto" else (device, SIDE)
        backend.close = lambda: None
        devices.append(device)
        return backend

    monkeypatch.setattr(predictor, "create_backend", create)
    session = Session(image, "grabcut-zoom", device="auto")
    notices = heard(session)
    session.add_point((320, 320))
    assert devices == ["auto", "cpu"]
    assert np.array_equal(session.mask, image == 200)
    assert notices == ["Too little memory on the GPU: grabcut goes on on the CPU"]
    session.add_point((600, 600))
    assert devices == ["auto", "cpu"], "it stays there"


def test_other_errors_are_passed_on(image) -> None:
    class Wrong(ToyBackend):
        def predict(self, *args, **kwargs):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="do not fit"):
        Session(image, Wrong()).add_point((320, 320))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))
