"""Quotas of a user: image size, disk, sessions, sockets and requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of a user.

    Parameters
    ----------
    image_bytes : int
        Of one image.
    disk_bytes : int
        Of all images and sessions.
    sessions : int
        Number.
    unfinished_images : int
        Images whose parts are not all there.
    sockets : int
        Open at a time; twice as many requests.
    work_seconds : float
        After which a piece of work, one plane for a model, is given up.
    requests : float
        A second, over some time; twice as many at once.
    idle_seconds : float
        After which a session goes to disk, until it is used again.
    """

    image_bytes: int = 4 * 2**30
    disk_bytes: int = 20 * 2**30
    sessions: int = 50
    unfinished_images: int = 4
    sockets: int = 16
    work_seconds: float = 300.0
    requests: float = 50.0
    idle_seconds: float = 900.0


@dataclass
class RateLimit:
    """A bucket of requests a user, filled steadily (token bucket).

    Parameters
    ----------
    a_second : float
        Requests that come back each second; the bucket holds twice as many, and one at least.
    clock : callable
        Returns seconds.
    """

    a_second: float
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, user: str) -> float:
        """Take a request; return the seconds to wait before the next try, 0 if it was there."""
        full, now = max(2 * self.a_second, 1.0), self.clock()
        tokens, at = self._buckets.get(user, (full, now))
        tokens = min(full, tokens + (now - at) * self.a_second)
        if tokens < 1:
            self._buckets[user] = tokens, now
            return (1 - tokens) / self.a_second
        self._buckets[user] = tokens - 1, now
        return 0.0

    def charge(self, user: str, requests: float) -> None:
        """Count something large as so many requests; the next ones wait for it."""
        tokens, at = self._buckets.get(user, (max(2 * self.a_second, 1.0), self.clock()))
        self._buckets[user] = tokens - requests, at
