"""The configuration of the web server, and where it may listen."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from helpers import ToyBackend
from napari_promptseg.server.quotas import Quotas
from napari_promptseg.server.run import check_exposure, is_loopback, make_config, serve
from napari_promptseg.server.service import Service

if TYPE_CHECKING:
    from pathlib import Path


def test_it_says_nothing_of_itself_believes_no_proxy_and_bounds_messages(tmp_path: Path) -> None:
    service = Service(tmp_path / "server", quotas=Quotas())
    service._make = ToyBackend
    try:
        config = make_config(service, port=1)
    finally:
        service.close()
    assert not any((config.server_header, config.date_header, config.proxy_headers))
    assert (config.ws_max_size, config.ws_max_queue) == (16 * 2**20, 2)
    assert config.limit_concurrency == 512


def test_threads_of_all_users_share_no_workers_of_blas(monkeypatch, tmp_path: Path) -> None:
    counts = []

    def run(server) -> None:
        counts.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")

    monkeypatch.setattr("uvicorn.Server.run", run)
    service = Service(tmp_path / "server", quotas=Quotas())
    service._make = ToyBackend
    mask = os.umask(0o077)
    try:
        with threadpool_limits(2, user_api="blas"):  # tests may run with one thread anyway
            serve(service)
    finally:
        os.umask(mask)
        service.close()
    assert counts, "NumPy and SciPy have one each"
    assert set(counts) == {1}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.8.9.1", True), ("::1", True), ("0.0.0.0", False), ("lab", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_each_missing_file_of_tls_is_named(tmp_path: Path) -> None:
    present_file, absent_file = tmp_path / "there.pem", tmp_path / "gone.pem"
    present_file.touch()
    service = SimpleNamespace(tokens=["ada"])
    check_exposure(service, "lab", present_file, present_file)
    for pair in [
        (present_file, absent_file),
        (absent_file, present_file),
        (absent_file, None),
        (None, absent_file),
    ]:
        with pytest.raises(FileNotFoundError, match=r"gone\.pem"):
            check_exposure(service, "127.0.0.1", *pair)
    for pair in [(present_file, None), (None, present_file), (None, None)]:
        check_exposure(service, "127.0.0.1", *pair)
        with pytest.raises(ValueError, match="--certificate and --key"):
            check_exposure(service, "lab", *pair)
    with pytest.raises(ValueError, match="no user has a token"):
        check_exposure(SimpleNamespace(tokens=[]), "lab", present_file, present_file)
