"""The model of a server as a backend: alike to the one here, wherever the plane is kept."""

from __future__ import annotations

import stat

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import ToyBackend
from napari_promptseg import Session
from napari_promptseg.cli import app
from napari_promptseg.data.volume import Volume
from napari_promptseg.models.catalog import list_offers
from napari_promptseg.models.registry import create_backend
from napari_promptseg.models.testing import check_backend
from napari_promptseg.remote.backend import RemoteBackend
from napari_promptseg.remote.credentials import Credentials, credentials_file
from napari_promptseg.wrappers.options import Refinement


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path / "models"))


@pytest.fixture
def connection(place) -> Credentials:
    return Credentials(url=place.url, token=place.token())


def test_it_keeps_to_the_protocol(connection) -> None:
    backend = RemoteBackend(connection=connection)
    assert backend.capabilities.refined
    check_backend(backend)
    backend.close()


def test_a_session_on_it_is_like_one_here(connection, blobs) -> None:
    backend = RemoteBackend(connection=connection)
    volume = Volume(np.repeat(blobs[..., None], 3, 3), "zyxc", channels=(2,))
    sessions = [
        Session(volume, backend, refinement=Refinement()),
        Session(volume, ToyBackend(), refinement=Refinement()),
    ]
    for session in sessions:
        session.add_point((5, 15, 15))
        session.add_point((5, 9, 9), positive=False)
        session.add_box((3, 30, 36), (3, 43, 57))
        session.propagate().run()
        session.commit()
    np.testing.assert_array_equal(sessions[0].labels, sessions[1].labels)
    backend.close()


@pytest.mark.parametrize(("axes", "section"), [("zyx", True), ("tyx", False)])
def test_the_server_knows_planes_of_volumes(
    axes: str, section: bool, connection, blobs, monkeypatch
) -> None:
    planes = []
    embed = ToyBackend.embed
    monkeypatch.setattr(
        ToyBackend, "embed", lambda self, image: planes.append(image) or embed(self, image)
    )
    backend = RemoteBackend(connection=connection)
    Session(Volume(blobs, axes), backend).add_point((5, 15, 15))
    assert {image.is_section for image in planes} == {section}
    assert planes[0].shape == blobs.shape[1:]
    backend.close()


def test_a_plane_that_the_server_forgot_is_sent_again(place, connection, blobs) -> None:
    backend = RemoteBackend(connection=connection)
    session = Session(blobs, backend)
    session.add_point((5, 15, 15))
    place.service.account("ada").planes.close()
    session.add_point((5, 35, 45))
    assert session.mask[5].sum() == (blobs[5] > 100).sum()
    place.stop()
    before = session.mask.copy()
    with pytest.raises(OSError, match="cannot be reached"):
        session.add_point((5, 2, 2))
    np.testing.assert_array_equal(session.mask, before)
    place.start()
    session.add_point((5, 2, 2))
    backend.close()


def test_it_is_connected_from_the_command_line(place) -> None:
    offer = list_offers()["remote"]
    assert (offer.state, offer.model.remedy) == ("needs file", "run: promptseg connect URL")
    with pytest.raises(FileNotFoundError, match="promptseg connect URL"):
        create_backend("remote", device="cpu")
    result = CliRunner().invoke(app, ["connect", place.url, "--token", "00000000.wrong"])
    assert result.exit_code == 1
    assert not credentials_file().exists()
    done = CliRunner().invoke(app, ["connect", place.url], input=place.token() + "\n")
    assert done.exit_code == 0, done.output
    assert "connected: toy answers" in done.output
    assert stat.S_IMODE(credentials_file().stat().st_mode) == 0o600
    assert list_offers()["remote"].state == "ready"
    backend = create_backend("remote", device="cpu")
    assert backend.identity == "remote toy 1"
    backend.close()
