import os
import pickle

import pytest
import torch

from napari_promptseg.models.networks.checkpoints import load_checkpoint


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_tensors_and_plain_values_come_back(tmp_path):
    content = {"state_dict": {"weight": torch.arange(6.0).reshape(2, 3)}, "config": {"width": 18}}
    torch.save(content, tmp_path / "good.pth")
    read = load_checkpoint(tmp_path / "good.pth")
    assert torch.equal(read["state_dict"]["weight"], content["state_dict"]["weight"])
    assert read["config"] == {"width": 18}


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(tmp_path, as_zip):
    content = {"weight": torch.zeros(2), "extra": Malicious(tmp_path / "made")}
    path = tmp_path / "bad.pth"
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(ValueError, match=r"\w+\.mkdir'; nothing in it was executed"):
        load_checkpoint(path)
    assert not (tmp_path / "made").exists()


def test_a_bare_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    path = tmp_path / "bad.pth"
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "made")))
    with pytest.raises(ValueError, match="nothing in it was executed"):
        load_checkpoint(path)
    assert not (tmp_path / "made").exists()
    pickle.loads(path.read_bytes())  # it was a real one
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"hello world", b"<html>not found</html>", bytes(999)])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.pth' cannot be read as weights: .*damaged"):
        load_checkpoint(path)


def test_half_a_download_is_refused(tmp_path):
    path = tmp_path / "half.pth"
    torch.save({"weight": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path)


def test_a_missing_checkpoint_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "missing.pth", tmp_path):
        with pytest.raises(FileNotFoundError, match=path.name):
            load_checkpoint(path)
