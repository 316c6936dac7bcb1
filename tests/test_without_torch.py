"""Clicks, propagation, classes and the command line where PyTorch is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

BLOCKED = (
    "torch",
    "torchvision",
    "timm",
    "onnx",
    "segment_anything",
    "transformers",
    "highdicom",
)
PREAMBLE = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import numpy as np
from pathlib import Path

rng = np.random.default_rng(0)
z, y, x = np.ogrid[:9, :48, :64]
ball = ((z - 4) / 3) ** 2 + ((y - 20) / 10) ** 2 + ((x - 37) / 13) ** 2 < 1
image = (180 * ball + rng.normal(40, 8, ball.shape)).clip(0, 255).astype(np.uint8)
"""


def run(script: str, folder: Path) -> str:
    """Return what a script prints in an interpreter without the optional packages."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PROMPTSEG_CLASSES": str(folder / "c")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE + script],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_volume_is_clicked_propagated_saved_and_exported(tmp_path: Path) -> None:
    script = """
from napari_promptseg import Session

s = Session(image, "clicknet+flips", axes="zyx", spacing=(1.0, 1.0, 1.0))
s.add_point((4, 20, 37))
s.add_point((4, 21, 40), positive=False)  # which f-BRS has to enforce
assert s.mask[4, 20, 37] and not s.mask[4, 21, 40]
s.undo()
s.propagate()
assert (s.mask & ball).sum() > 0.5 * ball.sum(), (s.mask & ball).sum() / ball.sum()
label = s.commit()
s.save("saved.promptseg")
assert np.array_equal(Session.load("saved.promptseg").labels, s.labels)
s.export("labels.nii.gz")
t = Session(image, axes="tyx")
t.add_point((4, 20, 37))
t.propagate(3, 6)
assert t.mask[3].any() and t.mask[5].any()
print(sorted(m for m in sys.modules if m in ("torch", "timm", "onnx")))
"""
    assert run(script, tmp_path).split("\n")[-2] == "[]"
    assert (tmp_path / "labels.nii.gz").exists()


def test_a_class_is_learnt_and_found(tmp_path: Path) -> None:
    script = """
from napari_promptseg import adapt

plane, labels = np.stack([image[4]] * 3, -1), ball[4].astype(np.int32)
disc = adapt([plane], [labels], "disc", tune=False)
found = disc.propose(plane) > 0
assert (found & ball[4]).sum() > 0.5 * ball[4].sum()
print(adapt([plane] * 4, [labels] * 4, "disc", seconds=1).note)
"""
    assert "pip install 'napari-promptseg[torch]'" in run(script, tmp_path)


def test_the_command_line_segments(tmp_path: Path) -> None:
    script = """
from typer.testing import CliRunner
from napari_promptseg.cli import app

np.save("image.npy", image[4])
done = CliRunner().invoke(app, ["segment", "image.npy", "-o", "labels.tif", "--point", "20,37"])
assert done.exit_code == 0, done.output
for command in (["engines"], ["train", "recipe.toml"], ["export", "clicknet", "a.onnx"]):
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1, (command, done.output, done.exception)
    assert "napari-promptseg[t" in done.output, (command, done.output)
print("done")
"""
    assert "done" in run(script, tmp_path)
    assert (tmp_path / "labels.tif").exists()


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        ("create_backend('sam')", "sam"),
        ("load_ritm('net.pth')", "torch"),
        ("open_volume('image.npy') and s.export('labels.dcm')", "dicom-seg"),
    ],
)
def test_what_needs_a_package_names_the_extra(statement: str, extra: str, tmp_path: Path) -> None:
    script = f"""
from napari_promptseg import Session, create_backend, load_ritm, open_volume

np.save("image.npy", image)
s = Session(image, "grabcut", axes="zyx")
s.add_mask(ball)
s.commit()
try:
    {statement}
except ImportError as error:
    print(error)
"""
    assert f"napari-promptseg[{extra}]" in run(script, tmp_path)
