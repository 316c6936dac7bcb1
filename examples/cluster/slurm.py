#!/usr/bin/env python3
"""A batch on the nodes of SLURM, through dask-jobqueue.

    pip install 'napari-promptseg[batch]' dask-jobqueue
    examples/cluster/make-certificates ~/promptseg-tls $(hostname -f)
    python slurm.py prompts.promptseg labels scans/*.nii.gz

Change `make_cluster` to fit your site. Inputs and results must be on a file system that the nodes
share, or at URLs. Run it on a login node, or within a job of its own; a second run resumes.
"""

import sys
from pathlib import Path

WORKERS = 8
"""Jobs of SLURM, at most; each is one worker."""


TLS = Path.home() / "promptseg-tls"
"""Folder of the certificates, which the nodes see too."""


def credentials():
    """Return the certificates with which all traffic of the cluster is encrypted."""
    from distributed.security import Security

    ca, certificate, key = (TLS / name for name in ("ca.pem", "cert.pem", "key.pem"))
    for file in (ca, certificate, key):
        if not file.exists():
            raise FileNotFoundError(f"no {str(file)!r}: run examples/cluster/make-certificates")
    own = {
        f"tls_{role}_{kind}": str(file)
        for role in ("scheduler", "worker", "client")
        for kind, file in (("cert", certificate), ("key", key))
    }
    return Security(tls_ca_file=str(ca), require_encryption=True, **own)


def make_cluster():
    """Return the cluster: what each job asks SLURM for."""
    from dask_jobqueue import SLURMCluster

    return SLURMCluster(
        queue="normal",
        cores=1,  # a worker is one process of one thread
        processes=1,
        memory="8 GB",
        walltime="04:00:00",
        job_script_prologue=["export OMP_NUM_THREADS=1"],
        local_directory="/tmp",
        # Workers that do not come back are replaced, and their inputs begun again.
        death_timeout=120,
        protocol="tls://",
        security=credentials(),
    )


def run(cluster, session, output, sources):
    """Propagate the prompts of a session on all sources; return the counts of the outcomes."""
    from distributed import Client

    from napari_promptseg.batch.jobs import Propagate
    from napari_promptseg.batch.runner import run_batch, tasks_of

    folder = output if "://" in output else Path(output)
    counts = {"done": 0, "kept": 0, "failed": 0}
    with Client(cluster) as client:
        for report in run_batch(Propagate(session), tasks_of(sources), folder, client, retries=3):
            counts[report.status] += 1
            print(report.status, report.source, report.error or report.result, flush=True)
    return counts


if __name__ == "__main__":
    session, output, *sources = sys.argv[1:]
    with make_cluster() as cluster:
        cluster.adapt(minimum=1, maximum=WORKERS)
        counts = run(cluster, str(Path(session).absolute()), output, sources)
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)
