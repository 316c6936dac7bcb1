"""Saved sessions answer their prompts as before; what does not is found."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import Snapshot, ToyBackend, make_scene
from napari_promptseg.cli import app
from napari_promptseg.session.session import Session


class Other(ToyBackend):
    """Answers clicks otherwise, and says that it is the same."""

    def predict(self, embedding, prompts, prior=None):
        answer = super().predict(embedding, prompts, prior)
        answer.probability[:1] = 0.9
        return answer


class Newer(ToyBackend):
    identity = "toy 2"


def worked(backend=None) -> Session:
    session = Session(make_scene("zyx").data, backend or ToyBackend())
    session.add_point((4, 11, 14))
    session.add_point((4, 1, 1), positive=False)
    session.remove_prompt(1)
    session.propagate(near=4).run()
    session.commit("ellipse")
    session.paint(((0, 1), (0, 2), (0, 2)), np.full((1, 2, 2), 9))
    session.add_box((5, 1, 1), (5, 4, 9))
    session.add_mask(np.eye(24, 28), index=1)
    session.propagate(0, 3).run()
    session.commit()
    session.undo()
    return session


def test_the_same_model_answers_alike(tmp_path) -> None:
    session = worked()
    before = Snapshot.of(session)
    verification = session.verify()
    assert (verification.same, verification.different, verification.skipped) == (7, (), 0)
    assert not before.differences(Snapshot.of(session)), "it stays as it is"
    session.save(tmp_path / "saved")
    again = Session.load(tmp_path / "saved", backend=ToyBackend())
    assert again.verify() == verification


def test_other_answers_are_found(tmp_path) -> None:
    worked().save(tmp_path / "saved")
    verification = Session.load(tmp_path / "saved", backend=Other()).verify()
    assert verification.different[0] == "1: add point"
    assert any("propagate" in step for step in verification.different)


def test_steps_of_another_model_and_cancelled_ones_are_skipped(tmp_path) -> None:
    worked().save(tmp_path / "saved")
    newer = Session.load(tmp_path / "saved", backend=Newer())
    newer.add_point((6, 11, 14))
    for _ in newer.propagate():
        break
    verification = newer.verify()
    assert (verification.same, verification.different) == (1, ())
    assert verification.skipped == 8  # seven of the other model, and the propagation that was left


@pytest.mark.parametrize("backend", ["grabcut", "clicknet"])
def test_what_ships_is_verified_from_the_command_line(tmp_path, backend) -> None:
    session = Session(make_scene("zyx").data, backend, device="cpu")
    session.add_box((4, 5, 5), (4, 18, 23))
    session.add_point((4, 11, 14))
    session.propagate().run()
    session.commit()
    session.save(tmp_path / "saved.promptseg")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "saved.promptseg")])
    assert done.exit_code == 0, done.output
    assert "3 answers as before, 0 different" in done.output
    missing = CliRunner().invoke(app, ["verify", str(tmp_path / "nothing")])
    assert missing.exit_code == 1
