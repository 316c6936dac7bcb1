"""Backend whose model is on a server; sessions and labels stay on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_promptseg.data.array_codec import pack, unpack
from napari_promptseg.models.base import Capabilities, Prediction
from napari_promptseg.remote.credentials import Credentials
from napari_promptseg.remote.protocol import (
    Line,
    ModelInfo,
    PlaneAnswered,
    PlaneOffer,
    PlaneQuestion,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_promptseg.data.plane_prompts import PlanePrompts
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.remote.connection import Server


_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, eq=False, slots=True)
class SentPlane:
    """A plane that the server knows by a key, until it forgets it.

    Parameters
    ----------
    key : str
        Hash of what was sent.
    offer : PlaneOffer
        To be sent again.
    """

    key: str
    offer: PlaneOffer


class RemoteBackend:
    """Sends planes and prompts to the server of `promptseg connect`.

    Parameters
    ----------
    device : str
        Of no meaning here: the server has its own.
    connection : Credentials, optional
        Another server than that one.
    server : Server, optional
        One that is connected already, and that `close` leaves open.

    Raises
    ------
    FileNotFoundError
        If no server is known.
    OSError
        If it cannot be reached.
    PermissionError
        If the token is not valid.
    """

    name = "remote"

    def __init__(
        self,
        device: str = "auto",
        connection: Credentials | None = None,
        server: Server | None = None,
    ) -> None:
        self._is_shared = server is not None
        self._server = server or (connection or Credentials.load()).open()
        info = ModelInfo.model_validate(self._server.ask("GET", "/api/model").json())
        self.identity = f"remote {info.identity}"
        self.capabilities = Capabilities(
            frozenset(info.prompts) - {"text"},
            prior=info.prior,
            choices=info.choices,
            refined=True,
        )

    def embed(self, image: PlaneImage) -> SentPlane:
        """See `Backend.embed`; sends the plane."""
        values = np.ascontiguousarray(image.values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        offer = PlaneOffer.model_construct(
            shape=values.shape,
            dtype=values.dtype.str,
            window=(image.window.low, image.window.high),
            spacing=image.spacing,
            section=image.is_section,
            data=pack(values),
        )
        text = offer.model_dump_json()
        plane = SentPlane(blake2b(text.encode(), digest_size=16).hexdigest(), offer)
        self._send(plane)
        return plane

    def _send(self, plane: SentPlane) -> None:
        self._server.ask("PUT", f"/api/planes/{plane.key}", content=plane.offer.model_dump_json())

    def predict(
        self, embedding: SentPlane, prompts: PlanePrompts, prior: NDArray[np.bool_] | None = None
    ) -> Prediction:
        """See `Backend.predict`; a plane that the server forgot is sent again."""
        question = PlaneQuestion.model_construct(
            strokes=tuple(_line(s.path, s.positive, s.width) for s in prompts.strokes),
            regions=tuple(_line(r.vertices, r.positive, box=r.box) for r in prompts.regions),
            choice=prompts.choice,
            prior=None if prior is None else pack(np.asarray(prior, np.bool_)),
        ).model_dump_json()
        path = f"/api/planes/{embedding.key}"
        try:
            answer = self._server.ask("POST", path, content=question, headers=_JSON)
        except FileNotFoundError:
            self._send(embedding)
            answer = self._server.ask("POST", path, content=question, headers=_JSON)
        reply = PlaneAnswered.model_validate_json(answer.content)
        shape = [stop - start for start, stop in (reply.rows, reply.columns)]
        probability = unpack(reply.data, shape, "<f4")
        return Prediction(probability, reply.rows, reply.columns, reply.score)

    def close(self) -> None:
        """See `Backend.close`."""
        if not self._is_shared:
            self._server.close()


def _line(path: NDArray[np.float64], positive: bool, width: float = 1.0, box: bool = False) -> Line:
    corners = tuple((float(row), float(column)) for row, column in path)
    return Line(path=corners, positive=positive, width=width, box=box)
