"""Every Python block of README and docs runs, page by page, and prints what its comments promise.

A comment ``# -> 90 ml`` after a ``print`` is a promise; several outputs of one line are separated
by ", ". Numbers may differ by 3 %, because engines and processors round differently. A block is
left out only if the line before it is ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import importlib.util
import io
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from skimage.io import imsave

from napari_promptseg import Session, open_sample
from napari_promptseg.io.sample_data import list_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MOST_BLOCKS_NOT_RUN = 2

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^(?P<indent> *)```python[^\n]*\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_PROMISE = re.compile(r"#\s*->\s*(.+)$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    code: str
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        indent = len(match["indent"])
        code = "\n".join(row[indent:] for row in match["code"].splitlines())
        yield Block(page, text.count("\n", 0, match.start("code")), code, match["reason"])


def agree(promise: str, output: str) -> bool:
    """Return whether texts are equal but for numbers that differ by less than 3 %."""
    if _NUMBER.sub("#", promise) != _NUMBER.sub("#", output):
        return False
    numbers = [[float(n) for n in _NUMBER.findall(text)] for text in (promise, output)]
    return bool(np.allclose(*numbers, rtol=0.03))


def run(block: Block, namespace: dict[str, Any]) -> None:
    printed: dict[int, list[str]] = {}

    def record(*values: object, **options: Any) -> None:
        text = io.StringIO()
        print(*values, **{**options, "file": text, "end": ""})
        printed.setdefault(sys._getframe(1).f_lineno, []).append(text.getvalue())

    namespace["print"] = record
    # Lines are those of the page, so that a traceback points into it.
    code = compile("\n" * block.line + block.code, str(block.page), "exec")
    exec(code, namespace)
    for number, row in enumerate(block.code.splitlines(), block.line + 1):
        promise = _PROMISE.search(row)
        if promise:
            output = ", ".join(printed.get(number, ["nothing"]))
            where = f"{block.page.name}:{number}"
            assert agree(promise[1].strip(), output), f"{where} promises {promise[1]!r}: {output!r}"


# Inputs that the pages name but do not make


def _sample_file(key: str, target: Path) -> None:
    (sample,) = (s for s in list_samples() if s.key == key)
    shutil.copy(sample.image, target)


def _backends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "flood-backend" / "src"))
    return {}


def _live(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    frames = np.full((3, 480, 640, 3), 60, np.uint8)
    for number, frame in enumerate(frames):
        frame[190:310, 370 + 4 * number : 490 + 4 * number] = (200, 40, 40)
    return {"frames": frames}


def _models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    pytest.importorskip("transformers", reason="the extra 'text' is not installed")
    from tiny_clipseg import write_clipseg

    write_clipseg(folder / "models" / "clipseg-rd64-refined")
    _sample_file("photo_chelsea", folder / "photo.png")
    return {}


def _refinement(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    image = np.full((120, 180), 30, np.uint8)
    image[40:82, 90:140] = 210
    imsave(folder / "cell.png", image)
    return {}


def _training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    import napari_promptseg

    weights = Path(napari_promptseg.__file__).parent / "models/weights/clicknet.safetensors"
    (folder / "runs/organoids").mkdir(parents=True)
    shutil.copy(weights, folder / "runs/organoids/clicknet.safetensors")
    _sample_file("ct_phantom", folder / "scan.nii.gz")
    return {}


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Start a server on this machine, and save credentials for it, as `promptseg connect` does."""

    def start() -> None:
        pytest.importorskip("fastapi", reason="the extra 'server' is not installed")
        from napari_promptseg.remote.credentials import Credentials

        path = ROOT / "tests" / "server" / "conftest.py"
        spec = importlib.util.spec_from_file_location("server_fixtures", path)
        assert spec is not None
        assert spec.loader is not None
        fixtures = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(fixtures)
        place = fixtures.Place(tmp_path / "server")
        request.addfinalizer(place.stop)
        Credentials(url=place.url, token=place.token()).save()

    return start


SETUP: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "backends.md": _backends,
    "live.md": _live,
    "models.md": _models,
    "refinement.md": _refinement,
    "training.md": _training,
}


@pytest.mark.parametrize("page", [p for p in PAGES if any(blocks(p))], ids=lambda p: p.name)
def test_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch, server) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PROMPTSEG_CLASSES", str(tmp_path / "classes"))
    monkeypatch.setenv("PROMPTSEG_CACHE", str(tmp_path / "cache"))
    if page.name == "server.md":
        server()
    setup = SETUP.get(page.name)
    namespace = {"__name__": "__page__"} | (setup(tmp_path, monkeypatch) if setup else {})
    for block in blocks(page):
        if block.reason is None:
            run(block, namespace)


def test_blocks_that_are_not_run_are_rare() -> None:
    reasons = [block.reason for page in PAGES for block in blocks(page) if block.reason]
    assert len(reasons) <= MOST_BLOCKS_NOT_RUN, reasons


def test_every_python_fence_is_found() -> None:
    for page in PAGES:
        fences = len(re.findall(r"^ *```\s*(?:python|py|pycon)\b", page.read_text("utf-8"), re.M))
        assert len(list(blocks(page))) == fences, page.name


def test_the_first_example_marks_the_left_kidney() -> None:
    first = next(blocks(ROOT / "README.md"))
    assert "(13, 167, 187)" in first.code
    volume, truth = open_sample("ct_phantom")
    session = Session(volume)
    session.add_point((13, 167, 187))
    session.propagate()
    kidney = session.labels == session.commit("left kidney")
    reference = truth == 4
    dice = 2 * (kidney & reference).sum() / (kidney.sum() + reference.sum())
    assert dice > 0.9


@pytest.mark.parametrize(
    ("promise", "output", "same"),
    [
        pytest.param("90 ml", "91 ml", True, id="close"),
        pytest.param("90 ml", "762 ml", False, id="far"),
        pytest.param("90 ml", "90 mm", False, id="another unit"),
        pytest.param("(4, 5)", "(4, 5)", True, id="tuple"),
        pytest.param("90 ml", "90", False, id="no unit"),
    ],
)
def test_promises_are_compared_by_number_and_text(promise, output, same) -> None:
    assert agree(promise, output) is same
