"""Clusters elsewhere: the examples, as far as they run on one machine, and TLS."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from helpers import bright, ellipsoid
from napari_promptseg import Session, open_volume
from napari_promptseg.batch.cluster import connect
from napari_promptseg.data.volume import Volume
from napari_promptseg.io.write import write_labels

distributed = pytest.importorskip("distributed")
EXAMPLES = Path(__file__).parents[2] / "examples" / "cluster"
SHAPE = (4, 30, 37)


@pytest.fixture(scope="module")
def slurm() -> Any:
    spec = importlib.util.spec_from_file_location("slurm", EXAMPLES / "slurm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_of_slurm_runs_after_a_worker_was_killed(slurm: Any, tmp_path: Path) -> None:
    """A local cluster takes the place of SLURM; its workers are processes as there."""
    values = bright(ellipsoid(SHAPE, (2, 11, 20), (2, 7, 9))).astype(np.uint8)
    volume = Volume(values, "zyx", (3, 1, 1), "mm")
    sources = [str(write_labels(tmp_path / f"{i}.nii", values, volume)) for i in range(5)]
    session = Session(sources[0], "randomwalk")
    session.add_point((2, 11, 20))
    session.commit("ball")
    session.save(tmp_path / "prompts.promptseg")
    arguments = (str(tmp_path / "prompts.promptseg"), str(tmp_path / "labels"), sources)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        counts = slurm.run(cluster, *arguments)
        assert counts == {"done": 5, "kept": 0, "failed": 0}
        assert slurm.run(cluster, *arguments) == {"done": 0, "kept": 5, "failed": 0}
    assert np.asarray(open_volume(tmp_path / "labels" / "3.nii.gz").data).max() == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("batch") / "tls"
    command = [str(EXAMPLES / "make-certificates"), str(folder), "127.0.0.1", "node.org"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_slurm_is_asked_for_one_thread_a_worker(
    slurm: Any, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(FileNotFoundError, match="make-certificates"):
        slurm.make_cluster()
    monkeypatch.setattr(slurm, "TLS", certificates)
    with slurm.make_cluster() as cluster:
        script = cluster.job_script()
    assert "#SBATCH -n 1" in script
    assert "#SBATCH --cpus-per-task=1" in script
    assert "export OMP_NUM_THREADS=1" in script
    assert "tls://" in script
    assert "--nthreads 1" in script


def test_the_manifest_of_kubernetes_fits_together() -> None:
    cluster = yaml.safe_load((EXAMPLES / "dask-cluster.yaml").read_text(encoding="utf-8"))
    name = cluster["metadata"]["name"]
    service = cluster["spec"]["scheduler"]["service"]
    assert service["selector"]["dask.org/cluster-name"] == name
    (scheduler,) = cluster["spec"]["scheduler"]["spec"]["containers"]
    ports = {port["name"] for port in scheduler["ports"]}
    assert {port["targetPort"] for port in service["ports"]} == ports
    (worker,) = cluster["spec"]["worker"]["spec"]["containers"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in worker["env"]
    assert service["type"] == "ClusterIP"


def test_a_scheduler_is_reached_by_tls_with_certificates_of_the_script(certificates: Path) -> None:
    files = [str(certificates / name) for name in ("ca.pem", "cert.pem", "key.pem")]
    assert all(Path(file).stat().st_mode & 0o077 == 0 for file in files)
    ca, certificate, key = files
    security = distributed.Security(
        tls_ca_file=ca,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
        tls_client_cert=certificate,
        tls_client_key=key,
        require_encryption=True,
    )
    with distributed.LocalCluster(
        n_workers=1,
        processes=False,
        security=security,
        protocol="tls",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with connect(scheduler=address, ca=ca, certificate=certificate, key=key) as client:
            assert client.submit(sum, (3, 4)).result() == 7
        with pytest.raises(ValueError, match="needs --tls-ca"), connect(scheduler=address):
            pass
