"""The public contract: what can be imported, from where, and what that loads."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import napari_promptseg
from helpers import ToyBackend, make_scene

PACKAGE = Path(napari_promptseg.__file__).parent
HEAVY = ("torch", "timm", "qtpy", "PyQt5", "PyQt6", "PySide6", "napari", "dask", "transformers")

PUBLIC = {
    "Backend": "napari_promptseg.models.base",
    "BoxPrompt": "napari_promptseg.data.prompts",
    "Capabilities": "napari_promptseg.models.base",
    "ChoicePrompt": "napari_promptseg.data.prompts",
    "LassoPrompt": "napari_promptseg.data.prompts",
    "LiveSession": "napari_promptseg.live.live_session",
    "MaskPrompt": "napari_promptseg.data.prompts",
    "PointPrompt": "napari_promptseg.data.prompts",
    "Prediction": "napari_promptseg.models.base",
    "Refinement": "napari_promptseg.wrappers.options",
    "ScribblePrompt": "napari_promptseg.data.prompts",
    "Session": "napari_promptseg.session.session",
    "TextPrompt": "napari_promptseg.data.prompts",
    "Volume": "napari_promptseg.data.volume",
    "adapt": "napari_promptseg.training.few_shot",
    "check_backend": "napari_promptseg.models.testing",
    "connect": "napari_promptseg.remote.connect",
    "create_backend": "napari_promptseg.models.registry",
    "list_backends": "napari_promptseg.models.registry",
    "list_propagators": "napari_promptseg.propagation.registry",
    "load_ritm": "napari_promptseg.models.backends.ritm",
    "open_sample": "napari_promptseg.io.sample_data",
    "open_volume": "napari_promptseg.io.read",
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_those_of_their_modules(name: str) -> None:
    value = getattr(napari_promptseg, name)
    assert value.__module__ == PUBLIC[name]
    assert name in napari_promptseg.__all__
    assert value.__doc__


def test_nothing_else_is_public() -> None:
    assert set(napari_promptseg.__all__) == set(PUBLIC)
    assert set(PUBLIC) <= set(dir(napari_promptseg))


def test_public_names_are_the_same_for_type_checkers() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    imports = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("napari_promptseg")
        for alias in node.names
    }
    assert imports == PUBLIC


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="'napari_promptseg' has no attribute 'Sesion'"):
        napari_promptseg.Sesion  # noqa: B018
    with pytest.raises(ImportError):
        exec("from napari_promptseg import Sesion", {})


SIGNATURES = {
    "__init__": ["volume", "backend", "axes", "spacing", "journal"],
    "add_point": ["position", "positive", "axis"],
    "add_box": ["low", "high", "axis"],
    "add_scribble": ["path", "positive", "width", "axis"],
    "add_lasso": ["path", "positive", "axis"],
    "add_mask": ["mask", "index", "axis"],
    "add_text": ["text"],
    "propagate": ["start", "stop"],
    "undo": [],
    "redo": [],
    "commit": [],
    "reopen": ["label"],
    "save": ["path"],
    "load": ["path"],
    "export": ["path"],
    "recover": ["folder"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_methods_of_a_session_take_what_the_contract_says(name: str) -> None:
    method = getattr(napari_promptseg.Session, name)
    parameters = list(inspect.signature(method).parameters)
    assert [p for p in SIGNATURES[name] if p not in parameters] == []


def test_a_volume_has_what_the_contract_says() -> None:
    volume = napari_promptseg.Volume(np.zeros((4, 5, 6, 3)), "zyxc", (3.0, 1.0, 1.0))
    assert volume.data.shape == (4, 5, 6, 3)
    assert volume.axes == "zyxc"
    assert volume.spacing == (3.0, 1.0, 1.0)
    assert isinstance(volume.units, str)
    assert volume.affine.shape == (4, 4)


def test_the_example_of_the_contract_runs(tmp_path: Path) -> None:
    from napari_promptseg import Session

    scene = make_scene("zyx")
    s = Session(
        scene.data, ToyBackend(), axes="zyx", spacing=(3.0, 1.0, 1.0), journal=tmp_path / "journal"
    )
    s.add_point((4, 11, 14), positive=True)
    s.add_box((4, 2, 3), (4, 20, 25))
    s.add_scribble([(4, 11, 10), (4, 11, 16)], positive=True, width=3)
    s.add_lasso([(4, 1, 1), (4, 1, 26), (4, 22, 26), (4, 22, 1)], positive=True)
    s.add_mask(scene.truth[3], index=3)
    s.add_text("left ventricle")
    for result in s.propagate(start=None, stop=None):
        assert result.done <= result.total
    assert s.undo() is True
    assert s.redo() is True
    label = s.commit()
    np.testing.assert_array_equal(s.labels == label, scene.truth)
    s.reopen(label)
    assert len(s.prompts) == 6
    s.commit()
    s.save(tmp_path / "saved")
    s.export(tmp_path / "labels.nii.gz")
    for again in (
        Session.load(tmp_path / "saved", backend=ToyBackend()),
        Session.recover(tmp_path / "journal", backend=ToyBackend()),
    ):
        np.testing.assert_array_equal(again.labels, s.labels)
    exported = napari_promptseg.open_volume(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(exported.data[...]), s.labels)
    assert exported.spacing == pytest.approx((3.0, 1.0, 1.0))


def test_a_session_opens_a_file_by_its_path(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", make_scene("zyx").data)
    session = napari_promptseg.Session(str(tmp_path / "image.npy"), ToyBackend())
    session.add_point((4, 11, 14))
    np.testing.assert_array_equal(session.mask[4], make_scene("zyx").truth[4])


# What importing costs


def loaded_by(statement: str) -> list[str]:
    """Heavy modules that a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import napari_promptseg") == []


def test_a_session_on_an_array_loads_no_gui_and_no_network() -> None:
    statement = (
        "import numpy as np\n"
        "from napari_promptseg import Session, Volume, list_backends, open_volume\n"
        "list_backends()\n"
        "s = Session(np.zeros((9, 9), np.uint8), 'grabcut')\n"
        "s.add_box((2, 2), (6, 6))"
    )
    assert loaded_by(statement) == []


# The house

FLOORS = (
    ("sample_data",),
    ("data",),
    ("models", "measure", "simulation"),
    ("instances",),
    ("io", "wrappers", "few_shot", "linking"),
    ("propagation",),
    ("session", "live"),
    ("remote", "training"),
    ("server", "evaluation"),
    ("_napari", "batch", "notebook"),
    ("cli", "backends"),
)
"""Each may import those of earlier lines, and itself."""


def imports_of(file: Path) -> set[str]:
    """Names of the package's own modules that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name for name in names if name.startswith("napari_promptseg.")}


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def floor_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_each_floor_calls_only_the_floors_below(file: Path) -> None:
    own = floor_of(file.relative_to(PACKAGE).parts)
    (level,) = (n for n, row in enumerate(FLOORS) if own in row)
    floors = {own}.union(*FLOORS[:level])
    imports = {floor_of(tuple(name.split(".")[1:])) for name in imports_of(file)}
    assert imports <= floors


def test_every_shipped_backend_and_command_can_be_found() -> None:
    (script,) = entry_points(group="console_scripts", name="promptseg")
    assert script.value == "napari_promptseg.cli:app"
    for info in napari_promptseg.list_backends().values():
        if info.distribution == "napari-promptseg":
            module = info.target.split(":")[0].removeprefix("napari_promptseg.")
            assert (PACKAGE / (module.replace(".", "/") + ".py")).is_file()


def test_earlier_paths_of_public_names_still_work() -> None:
    from napari_promptseg.backends.ritm import load_ritm
    from napari_promptseg.live import LiveSession

    assert load_ritm is napari_promptseg.load_ritm
    assert LiveSession is napari_promptseg.LiveSession
