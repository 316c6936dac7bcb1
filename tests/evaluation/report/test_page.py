from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from datasets import write_images, write_video, write_volume
from napari_promptseg.evaluation import Benchmark, Options, Results
from napari_promptseg.evaluation.report.markdown import markdown
from napari_promptseg.evaluation.report.page import render


class Page(HTMLParser):
    """Counts tags, and notices those that are never closed."""

    _VOID = frozenset({"meta", "line", "image", "path", "circle", "rect", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self._VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory) -> Benchmark:
    folder = tmp_path_factory.mktemp("a<b>")
    write_images(folder / "easy")
    write_volume(folder / "organ")
    write_video(folder / "film")
    options = Options(prompts=("click", "box"), clicks=3, interactions=2)
    benchmark = Benchmark(folder, ["grabcut", "randomwalk"], options)
    for _ in benchmark.run():
        pass
    return benchmark


def test_the_page_is_whole_and_needs_no_other_file(benchmark):
    text = render(benchmark.results(), benchmark.cases)
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("#", "data:image/")) for link in page.links)
    assert "a<b>" not in text
    assert "a&lt;b&gt;" in text


def test_it_holds_curves_tables_and_pictures_of_every_set(benchmark):
    page = Page(render(benchmark.results(), benchmark.cases))
    assert page.count["h2"] == 4 + 3  # overview and two notes beside the sets and tasks
    assert page.count["table"] == 1 + 4
    # Curves and shares of two backends: clicks on images, interactions with the volume,
    # and the frames of the video, which have no share.
    assert page.count["polyline"] == 2 * (2 + 2 + 1)
    assert page.count["figure"] == 2 * (2 + 2 + 1 + 1)


def test_propagators_stand_side_by_side(tmp_path):
    write_images(tmp_path / "easy")
    write_volume(tmp_path / "organ")
    options = Options(clicks=1, start="middle")
    benchmark = Benchmark(tmp_path, ["grabcut@copy", "grabcut@distance"], options)
    for _ in benchmark.run():
        pass
    text = render(benchmark.results(), benchmark.cases)
    assert "from the middle plane" in text
    page = Page(text)
    assert page.open == []
    assert page.count["figure"] == 2 + 1 + 1
    assert text.count("grabcut@distance") > 3


def test_results_from_a_file_have_no_pictures(benchmark):
    results = Results.from_json(benchmark.results().to_json())
    page = Page(render(results, {}))
    assert "figure" not in page.count
    assert page.count["polyline"] == 10


def test_a_benchmark_that_was_ended_early_says_so(tmp_path):
    write_images(tmp_path / "easy")
    benchmark = Benchmark(tmp_path, ["grabcut"], Options(clicks=2))
    assert "not complete" in render(benchmark.results(), benchmark.cases)
    next(benchmark.run())
    text = render(benchmark.results(), benchmark.cases)
    assert "not complete" in text
    assert Page(text).count["figure"] == 1


def test_the_tables_of_the_documentation(benchmark: Benchmark) -> None:
    results = benchmark.results()
    text = markdown(results, "promptseg evaluate DATA --markdown table.md")
    assert "promptseg evaluate DATA" in text
    assert results.identities["grabcut"] in text
    assert "ended early" not in text
    click = next(r for r in results.results if r.task == "click" and r.backend == "grabcut")
    noc = f"{click.summary['noc90']:.2f}"
    (row,) = [
        line
        for line in text.partition("#### Clicks")[2].partition("####")[0].splitlines()
        if line.startswith(f"| {click.set_name} |") and "`grabcut`" in line
    ]
    titles = next(line for line in text.splitlines() if line.startswith("| set |")).split(" | ")
    assert row.split(" | ")[titles.index("NoC @90")] == noc
    lengths = {line.count("|") for line in text.splitlines() if line.startswith("| easy |")}
    assert len(lengths) <= 2, "one for clicks, one for boxes"
    for title in ("Clicks", "A box alone", "Volumes, clicks and propagation", "Videos"):
        assert f"#### {title}\n" in text
    early = replace(results, complete=False)
    assert "ended early" in markdown(early, "")
