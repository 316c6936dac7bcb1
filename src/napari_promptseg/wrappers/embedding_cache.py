"""Embeddings that are computed once: kept in memory, and on disk."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.models.embedding_store import EmbeddingStore, embedding_bytes, embedding_key
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend

_SHARE: Final = 0.1
"""Of the memory that is free at first, which embeddings take at most."""


class EmbeddingCache(Wrapper):
    """Embeds each plane once, whatever is asked of it later, and by whom.

    Parameters
    ----------
    backend : Backend
        Its embedding is costly; `embedding_type` is a dataclass of arrays and plain values.
    store : EmbeddingStore, optional
        Where they lie on disk.
    budget : int, optional
        Bytes in memory at most; a tenth of what is free when not given.

    Raises
    ------
    ValueError
        If the backend does not say of what type its embeddings are.
    """

    def __init__(
        self, backend: Backend, store: EmbeddingStore | None = None, budget: int | None = None
    ) -> None:
        import psutil

        super().__init__(backend)
        kind = getattr(backend, "embedding_type", None)
        if kind is None:
            raise ValueError(f"embeddings of {backend.name!r} cannot be kept: no embedding_type")
        self._kind: type = kind
        self.store = store or EmbeddingStore()
        self._budget = int(_SHARE * psutil.virtual_memory().available) if budget is None else budget
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._bytes = 0

    def is_kept(self, image: PlaneImage) -> bool:
        """Tell whether a plane is embedded already."""
        key = embedding_key(self.identity, image)
        return key in self._kept or self.store.holds(key)

    def embed(self, image: PlaneImage) -> Any:
        """Return the embedding of a plane, computed only if it is not kept."""
        key = embedding_key(self.identity, image)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        embedding = self.store.read(key, self._kind)
        if embedding is None:
            embedding = self.backend.embed(image)
            self.store.write(key, embedding)
        self._keep(key, embedding)
        return embedding

    def _keep(self, key: str, embedding: Any) -> None:
        self._kept[key] = embedding
        self._bytes += embedding_bytes(embedding)
        while self._bytes > self._budget and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= embedding_bytes(old)

    def close(self) -> None:
        """Let go of what is in memory, and close the backend."""
        self._kept.clear()
        self._bytes = 0
        super().close()
