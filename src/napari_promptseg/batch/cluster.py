"""Workers: some on this machine, or those of a scheduler elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client


@contextmanager
def connect(
    workers: int = 2,
    scheduler: str | None = None,
    *,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
) -> Iterator[Client]:
    """Give a client of a cluster for as long as the context lasts.

    Parameters
    ----------
    workers : int
        Processes on this machine, with one thread each, if no scheduler is named.
    scheduler : str, optional
        Address such as ``tls://host:8786``. A scheduler runs what its clients send: one that
        others can reach should be reached by TLS alone.
    ca, certificate, key : str, optional
        PEM files for TLS.

    Raises
    ------
    ImportError
        If the extra ``batch`` is not installed.
    ValueError
        If there is no worker, or TLS is asked for without certificates.
    OSError
        If the scheduler cannot be reached.
    """
    try:
        from distributed import Client, LocalCluster
        from distributed.security import Security
    except ImportError as error:
        raise ImportError(
            "batches need dask.distributed; pip install 'napari-promptseg[batch]'"
        ) from error
    if scheduler is None:
        if workers < 1:
            raise ValueError(f"one worker at least is needed, got {workers}")
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                # Not reachable from other machines.
                host="127.0.0.1",
                env={"OMP_NUM_THREADS": "1"},
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    options: dict[str, Any] = {}
    if scheduler.startswith("tls://"):
        if not (ca and certificate and key):
            raise ValueError(f"{scheduler} needs --tls-ca, --tls-cert and --tls-key")
        options["security"] = Security(
            tls_ca_file=ca,
            tls_client_cert=certificate,
            tls_client_key=key,
            require_encryption=True,
        )
    with Client(scheduler, **options) as client:
        yield client
