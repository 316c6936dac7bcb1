from __future__ import annotations

import numpy as np
import pytest

from napari_promptseg.io.sample_data import list_samples, open_sample

SAMPLES = {sample.key: sample for sample in list_samples()}


def test_keys_are_unique_and_files_there():
    assert len(SAMPLES) == len(list_samples()) > 0
    for sample in SAMPLES.values():
        assert sample.image.is_file()
        assert sample.labels is None or sample.labels.is_file()


@pytest.mark.parametrize("key", SAMPLES)
def test_sample_opens_as_described(key):
    sample = SAMPLES[key]
    volume, labels = open_sample(key)
    assert (volume.axes, volume.spacing, volume.units) == (
        sample.axes,
        sample.spacing,
        sample.units,
    )
    assert volume.source == str(sample.image)
    lengths = np.linalg.norm(volume.affine[:3, : len(volume.names.removeprefix("t"))], axis=0)
    np.testing.assert_allclose(lengths[::-1], sample.spacing[-len(lengths) :])
    assert (labels is None) == (sample.labels is None)
    if labels is not None:
        assert labels.shape == volume.shape
        assert set(np.unique(labels)) - {0} == set(sample.label_names)


def test_unknown_sample():
    with pytest.raises(ValueError, match="no sample 'lena'; valid:") as caught:
        open_sample("lena")
    assert all(key in str(caught.value) for key in SAMPLES)
