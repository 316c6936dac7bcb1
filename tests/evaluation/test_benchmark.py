"""Whole benchmarks on small sets written for the test."""

from __future__ import annotations

import pytest

from datasets import write_images, write_video, write_volume
from napari_promptseg.evaluation import Benchmark, Options, Results, case
from napari_promptseg.models.backends.grabcut import GrabCutBackend


@pytest.fixture
def sets(tmp_path):
    write_images(tmp_path / "easy")
    write_volume(tmp_path / "organ")
    write_video(tmp_path / "film")
    return tmp_path


def measured(*arguments, **options) -> Results:
    benchmark = Benchmark(*arguments, **options)
    for _ in benchmark.run():
        pass
    return benchmark.results()


def test_every_set_is_measured_with_every_backend(sets):
    options = Options(prompts=("click", "box"), clicks=5, interactions=2)
    results = measured(sets, ["grabcut", "randomwalk"], options)
    assert [(r.set_name, r.task, r.backend) for r in results.results] == [
        ("easy", "click", "grabcut"),
        ("easy", "box", "grabcut"),
        ("easy", "click", "randomwalk"),
        ("easy", "box", "randomwalk"),
        ("film", "video", "grabcut"),
        ("film", "video", "randomwalk"),
        ("organ", "volume", "grabcut"),
        ("organ", "volume", "randomwalk"),
    ]
    by_name = {(r.set_name, r.task, r.backend): r.summary for r in results.results}
    assert by_name["easy", "click", "grabcut"]["iou5"] > 0.8
    assert by_name["organ", "volume", "grabcut"]["dice"] > 0.5
    assert by_name["film", "video", "grabcut"]["jf"] > 0.7
    assert results.complete
    assert results.identities == {"grabcut": "grabcut", "randomwalk": "randomwalk"}


def test_results_are_told_as_soon_as_a_set_is_finished(sets):
    finished = [
        [(r.set_name, r.backend) for r in done.finished]
        for done in Benchmark(sets / "easy", ["grabcut", "randomwalk"], Options(clicks=1)).run()
    ]
    assert finished == [[], [("easy", "grabcut")], [], [("easy", "randomwalk")]]


def test_what_was_done_before_an_interrupt_stays(sets):
    benchmark = Benchmark(sets / "easy", ["grabcut"], Options(clicks=1))
    next(benchmark.run())
    results = benchmark.results()
    assert not results.complete
    assert results.results[0].summary["objects"] == 1


def test_planes_and_unions_have_names_of_their_own(sets):
    options = Options(clicks=2, planes=True, union=True)
    names = [r.set_name for r in measured(sets, ["randomwalk"], options).results]
    assert names == ["easy (union)", "film (planes, union)", "organ (planes, union)"]


def test_propagators_are_measured_side_by_side(sets):
    specs = ["grabcut@copy", "grabcut@flow", "randomwalk"]
    options = Options(interactions=1, clicks=1, start="middle")
    results = measured(sets, specs, options)
    assert [(r.set_name, r.task, r.backend) for r in results.results] == [
        ("easy", "click", "grabcut@copy"),  # nothing is propagated there: once is enough
        ("easy", "click", "randomwalk"),
        *(("film", "video", spec) for spec in specs),
        *(("organ", "middle", spec) for spec in specs),
    ]
    by_name = {(r.task, r.backend): r.summary for r in results.results}
    assert by_name["video", "grabcut@copy"]["jf"] < by_name["video", "grabcut@flow"]["jf"]
    assert by_name["middle", "grabcut@copy"]["planes_per_second"] > 0
    assert results.identities == dict.fromkeys(specs[:2], "grabcut") | {"randomwalk": "randomwalk"}
    assert Results.from_json(results.to_json()).options.start == "middle"


def test_a_backend_is_loaded_once_for_all_its_propagators(sets, monkeypatch):
    loaded = []

    def build(spec, device):
        loaded.append(spec)
        return GrabCutBackend()

    monkeypatch.setattr(case, "build", build)
    specs = ["grabcut@copy", "grabcut-zoom@copy", "grabcut", "grabcut@flow"]
    measured(sets / "film", specs)
    assert loaded == ["grabcut", "grabcut-zoom"]


def test_an_unknown_propagator_is_named(sets):
    with pytest.raises(ValueError, match=r"'magic'.*'flow'"):
        Benchmark(sets, ["grabcut@magic"])


@pytest.mark.parametrize("names", [[], ["grabcut", "grabcut"]], ids=["none", "twice"])
def test_backends_are_given_once_each(sets, names):
    with pytest.raises(ValueError, match="each once"):
        Benchmark(sets, names)


def test_an_unknown_backend_is_named(sets):
    with pytest.raises(ValueError, match=r"'magic'.*grabcut"):
        Benchmark(sets, ["magic"])


def test_json_and_back(sets):
    results = measured(sets / "easy", ["grabcut"], Options(clicks=2, prompts=("click", "scribble")))
    back = Results.from_json(results.to_json())
    assert back.results[0].summary == results.results[0].summary
    assert back.results[1].runs[0].prompts == results.results[1].runs[0].prompts
    assert back.results[0].runs[0].worst_answer is None
    assert (back.options, back.machine, back.complete) == (results.options, results.machine, True)


def test_the_schema_names_every_part():
    schema = Results.schema()
    assert set(schema["required"]) == {"machine", "options", "identities"}
    assert {"Machine", "Options", "Result", "Run"} <= set(schema["$defs"])
    assert "shown" not in schema["$defs"]["Run"]["required"]


def test_a_file_that_is_something_else_is_refused():
    with pytest.raises(ValueError, match="format"):
        Results.from_json('{"format": 99}')
