"""The notebooks of `examples/` run from top to bottom, and what they show can be shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(
    notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTSEG_CLASSES", str(tmp_path / "classes"))
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    namespace: dict[str, Any] = {"__name__": "__main__"}
    pictures = 0
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "outputs are not committed"
        exec(compile(source, f"{notebook.name} {cell['id']}", "exec"), namespace)
        last = source.splitlines()[-1]
        if last.isidentifier():
            pictures += "<img" in namespace[last]._repr_html_()
    assert pictures
    assert any(tmp_path.iterdir())
    assert capsys.readouterr().out


def test_there_is_one_for_each_kind_of_user() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["microscopy", "radiology", "video"]
