"""Pages agree with the code: paths that they name exist, and lists are complete."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from typer.main import get_command

import napari_promptseg
from napari_promptseg.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "napari_promptseg"
_PATH = re.compile(r"`([a-z_]+/[\w/]*(?:\.(?:py|toml))?)`")


@pytest.mark.parametrize("page", ["architecture.md", "where-to-change.md", "security.md"])
def test_paths_exist(page: str) -> None:
    paths = _PATH.findall((DOCS / page).read_text(encoding="utf-8"))
    assert paths
    homes = (ROOT, PACKAGE, ROOT / "tests")
    # The inner folders of a package are named after the package, in one row of the table.
    inner = [folder for folder in PACKAGE.iterdir() if folder.is_dir()]
    absent = [p for p in paths if not any((home / p).exists() for home in (*homes, *inner))]
    assert absent == []


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: napari_promptseg\.(\w+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(napari_promptseg.__all__)


def test_every_command_is_in_the_reference() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    names = set(get_command(app).commands)
    rows = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert listed == names


def test_links_of_the_readme_work_outside_the_repository() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    assert [t for t in targets if not t.startswith("https://")] == []
    base = "https://napari-promptseg.github.io/napari-promptseg/"
    pages = {t.removeprefix(base).strip("/") for t in targets if t.startswith(base)} - {""}
    assert [name for name in sorted(pages) if not (DOCS / f"{name}.md").is_file()] == []


def test_the_table_of_models_is_that_of_the_catalog() -> None:
    """The comparison of `scripts/model-table --check`."""
    loader = SourceFileLoader("model_table", str(ROOT / "scripts" / "model-table"))
    script = module_from_spec(spec_from_loader("model_table", loader))
    loader.exec_module(script)
    assert script.table() in (DOCS / "models.md").read_text(encoding="utf-8")
