"""A backend of another package, built as a wheel, installed, listed and used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="wheels cannot be built here")

EXAMPLE = Path(__file__).parents[1] / "examples" / "flood-backend"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder with the installed example, and a package whose backend cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    quiet = {"check": True, "capture_output": True, "cwd": folder}
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *offline, "-w", folder / "wheels", EXAMPLE], **quiet)
    (wheel,) = (folder / "wheels").glob("promptseg_flood-*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", *offline, "--target", target, wheel], **quiet)
    info_folder = target / "broken-1.dist-info"
    info_folder.mkdir()
    (info_folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info_folder / "entry_points.txt").write_text(
        "[napari_promptseg.backends]\nbroken = broken_backend:Backend\n"
    )
    (target / "broken_backend.py").write_text("raise SystemExit('it wants to quit')\n")
    return target


def python(site: Path, code: str) -> str:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_beside_a_broken_one_that_breaks_nothing(site: Path) -> None:
    listed = python(
        site,
        """
        from typer.testing import CliRunner
        from napari_promptseg.cli import app
        print(CliRunner().invoke(app, ["backends", "--json"]).output)
        """,
    )
    offers = {offer["name"]: offer for offer in json.loads(listed)}
    assert offers["flood"]["state"] == "ready"
    assert offers["flood"]["prompts"] == ["point", "scribble"]
    assert offers["broken"]["state"] == "broken"
    assert offers["broken"]["error"] == "SystemExit: it wants to quit"
    assert offers["clicknet"]["state"] == "ready"


def test_it_segments_and_keeps_to_the_protocol(site: Path) -> None:
    output = python(
        site,
        """
        import numpy as np
        from napari_promptseg import Session
        from napari_promptseg.models.testing import check_backend
        from napari_promptseg.models.registry import create_backend

        check_backend(create_backend("flood"))
        image = np.zeros((40, 50), np.uint8)
        image[10:30, 10:40] = 200
        session = Session(image, "flood")
        session.add_point((20, 20))
        print(bool((session.mask == (image > 0)).all()))
        try:
            Session(image, "broken").add_point((1, 1))
        except ImportError as error:
            print(error)
        """,
    )
    right, error = output.splitlines()
    assert right == "True"
    assert "backend 'broken' (broken_backend:Backend) cannot be loaded" in error
