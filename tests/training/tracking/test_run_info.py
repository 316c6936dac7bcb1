from __future__ import annotations

import pytest
import torch

from napari_promptseg.training.tracking.run_info import (
    RunInfo,
    RunSegment,
    SceneCounts,
    processor_name,
)


def stretch(first: int, last: int, seconds: float = 1800) -> RunSegment:
    segment = RunSegment.begin(first, "abc", torch.device("cpu"), 2, "float32", 8)
    return segment.model_copy(update={"last": last, "seconds": seconds})


def test_a_record_comes_back_as_it_was_written(tmp_path):
    scenes = [SceneCounts(name="cats", kind="parts", trained=85, held_out=15)]
    record = RunInfo(scenes=scenes, stretches=[stretch(0, 100), stretch(100, 250)])
    record.write(tmp_path)
    assert RunInfo.read(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert record.hours == 1.0


def test_a_run_without_a_record_begins_one(tmp_path):
    assert RunInfo.read(tmp_path) == RunInfo()
    assert RunInfo().hours == 0


def test_time_of_steps_that_are_done_again_still_counts(tmp_path):
    RunInfo(stretches=[stretch(0, 100), stretch(100, 180), stretch(180, 190)]).write(tmp_path)
    record = RunInfo.read(tmp_path, 150)
    assert [(s.first, s.last) for s in record.stretches] == [(0, 100), (100, 150), (150, 150)]
    assert record.hours == 1.5


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"stretches": [{"first": "a"}]}')
    with pytest.raises(ValueError, match="first"):
        RunInfo.read(tmp_path)


def test_the_machine_is_named():
    segment = stretch(0, 0)
    assert processor_name()
    assert segment.processor == processor_name()
    assert segment.cores >= 1
    assert segment.torch_version == torch.__version__
    assert segment.accelerator == ""
