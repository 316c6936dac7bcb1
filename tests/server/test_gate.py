"""The gate in front of the endpoints, without a server around it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from napari_promptseg.server.gate import Gate
from napari_promptseg.server.quotas import Quotas


class Audit:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []

    def write(self, action: str, user: str, address: str, path: str) -> None:
        self.lines.append((action, user, address, path))

    def refuse(self, address: str, path: str) -> None:
        self.lines.append(("refused", address, path))


def service(**changes):
    parts = {
        "tokens": SimpleNamespace(user={"secret": "ada", "other": "bob"}.get),
        "rate": SimpleNamespace(take=lambda user: 0.0, charge=lambda user, size: None),
        "audit": Audit(),
        "quotas": Quotas(),
    }
    return SimpleNamespace(**parts | changes)


def scope(method: str, path: str, token: str = "secret", **headers: str) -> dict:
    fields = {"authorization": f"Bearer {token}", **headers}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("10.0.0.7", 4000),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in fields.items()],
    }


async def receive() -> dict:
    return {"type": "http.request", "body": b"{}"}


def status(gate: Gate, request: dict) -> int | None:
    """Status with which the gate answers; None if the request goes through."""
    messages = []

    async def send(message) -> None:
        messages.append(message)

    asyncio.run(gate(request, receive, send))
    return messages[0]["status"] if messages else None


def test_two_bodies_of_a_user_are_read_at_a_time() -> None:
    readers = []

    async def run() -> None:
        release = asyncio.Event()

        async def app(request, receive, send) -> None:
            readers.append(request["state"]["user"])
            await release.wait()

        gate = Gate(app, service())
        requests = [scope("POST", "/api/images")] * 4 + [scope("POST", "/api/images", "other")]
        tasks = [asyncio.ensure_future(gate(r, receive, None)) for r in requests]
        for _ in range(20):
            await asyncio.sleep(0)
        assert sorted(readers) == ["ada", "ada", "bob"]
        release.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert sorted(readers) == ["ada"] * 4 + ["bob"]


def test_reading_waits_for_no_body() -> None:
    paths = []

    async def app(request, receive, send) -> None:
        paths.append(request["path"])

    audit = Audit()
    gate = Gate(app, service(audit=audit))
    assert status(gate, scope("GET", "/api/sessions")) is None
    assert status(gate, scope("DELETE", "/api/sessions/1")) is None
    assert paths == ["/api/sessions", "/api/sessions/1"]
    assert audit.lines == [("DELETE", "ada", "10.0.0.7", "/api/sessions/1")]


def test_each_endpoint_has_its_limit_of_a_body() -> None:
    async def app(request, receive, send) -> None:
        pass

    gate = Gate(app, service())
    part = 4 * 2**20 * 9 // 8
    for method, path, limit in [
        ("POST", "/api/sessions", 2**16),
        ("PUT", "/api/images/a/0", part),
        ("POST", "/api/planes/a", 16 * 2**20),
        ("PUT", "/api/planes/a", 2 * 256 * 2**20),
    ]:
        assert status(gate, scope(method, path, content_length=str(limit))) is None
        assert status(gate, scope(method, path, content_length=str(limit + 1))) == 413


def test_strangers_and_the_hasty_are_sent_away() -> None:
    audit = Audit()
    gate = Gate(None, service(audit=audit))
    assert status(gate, scope("GET", "/api/sessions", "guess")) == 401
    assert audit.lines == [("refused", "10.0.0.7", "/api/sessions")]
    busy = SimpleNamespace(take=lambda user: 0.25)
    assert status(Gate(None, service(rate=busy)), scope("GET", "/api/sessions")) == 429


def test_those_who_repeat_too_often_are_kept_waiting(monkeypatch) -> None:
    release, pauses = asyncio.Event(), []

    async def held(seconds: float) -> None:
        pauses.append(seconds)
        await release.wait()

    async def run() -> None:
        answers = []

        async def send(message) -> None:
            answers.append(message.get("status"))

        gate = Gate(None, service(rate=SimpleNamespace(take=lambda user: 2.0)))
        step = asyncio.sleep
        monkeypatch.setattr("napari_promptseg.server.gate.asyncio.sleep", held)
        requests = [scope("GET", "/api/sessions") for _ in range(20)]
        tasks = [asyncio.ensure_future(gate(r, receive, send)) for r in requests]
        for _ in range(5):
            await step(0)
        assert answers.count(429) == 4, "not more than 16 are held, of which each costs memory"
        release.set()
        await asyncio.gather(*tasks)
        assert answers.count(429) == 20
        assert pauses == [0.5] * 16

    asyncio.run(run())
