"""A client of `promptseg serve` with numpy and the standard library alone.

Copy it into programs that have their own Python. See docs/server.md for the requests.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import zlib
from urllib.parse import urlsplit

import numpy as np


class PlaneClient:
    """The model of a server.

    Parameters
    ----------
    url : str
        Of the server, such as "http://127.0.0.1:8765". Beyond loopback it must be https.
    token : str
        From `promptseg token add NAME`.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.netloc, context=context
            )
        elif parts.hostname in ("127.0.0.1", "localhost", "::1"):
            self._connection = http.client.HTTPConnection(parts.netloc)
        else:
            raise ValueError(f"{url!r} would send the token unencrypted; use https")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def model(self) -> dict:
        """Return what the model can do."""
        return json.loads(self._ask("GET", "/api/model"))

    def segment(self, plane, clicks, box=None, spacing=(1.0, 1.0), prior=None) -> np.ndarray:
        """Return the (H, W) bool mask of an object.

        Parameters
        ----------
        plane : (H, W) or (H, W, 3) array
            Pixels.
        clicks : sequence of (row, column, positive)
            On the object, or on what does not belong to it.
        box : (row0, column0, row1, column1), optional
            Around the object.
        spacing : (float, float)
            Size of a pixel along rows and columns.
        prior : (H, W) bool array, optional
            The mask so far.
        """
        plane = np.ascontiguousarray(plane)
        plane = plane.astype(plane.dtype.newbyteorder("<"))
        low, high = (float(v) for v in np.percentile(plane, (0.5, 99.5)))
        offer = {
            "shape": plane.shape,
            "dtype": plane.dtype.str,
            "window": (low, max(high, low + 1e-6)),
            "spacing": spacing,
            "data": _packed(plane.tobytes()),
        }
        body = json.dumps(offer)
        path = "/api/planes/" + hashlib.blake2b(body.encode(), digest_size=16).hexdigest()
        self._ask("PUT", path, body)
        question = {
            "strokes": [{"path": [[r, c]], "positive": bool(p)} for r, c, p in clicks],
            "regions": [],
        }
        if box is not None:
            top, left, bottom, right = box
            corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
            question["regions"] = [{"path": corners, "box": True}]
        if prior is not None:
            question["prior"] = _packed(np.packbits(prior).tobytes())
        answer = json.loads(self._ask("POST", path, json.dumps(question)))
        rows, columns = (slice(*answer[name]) for name in ("rows", "columns"))
        mask = np.zeros(plane.shape[:2], bool)
        raw = zlib.decompress(base64.b64decode(answer["data"]))
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        mask[rows, columns] = np.frombuffer(raw, "<f4").reshape(shape) > 0.5
        return mask

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise OSError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return content


def _packed(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, 1)).decode()
