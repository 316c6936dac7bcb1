"""Embedding cache in memory, backed by the one on disk."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from napari_promptseg.models.base import BackendTraits
from napari_promptseg.models.embedding_store import EmbeddingStore, embedding_bytes, embedding_key
from napari_promptseg.wrappers.base import Wrapper

if TYPE_CHECKING:
    from napari_promptseg.data.volume import PlaneImage
    from napari_promptseg.models.base import Backend

_MEMORY_FRACTION: Final = 0.1
"""Default budget, as a fraction of the memory that is available at first."""


class EmbeddingCache(Wrapper):
    """Caches the embeddings of a backend in memory and on disk.

    Parameters
    ----------
    backend : Backend
        Backend with a costly embedding; its `embedding_type` is a dataclass of arrays and
        plain values.
    store : EmbeddingStore, optional
        Cache on disk.
    budget : int, optional
        Largest size in memory, in bytes; a tenth of the available memory when not given.

    Raises
    ------
    ValueError
        If the backend has no `embedding_type`.
    """

    def __init__(
        self, backend: Backend, store: EmbeddingStore | None = None, budget: int | None = None
    ) -> None:
        import psutil

        super().__init__(backend)
        kind = BackendTraits.of(backend).embedding_type
        if kind is None:
            raise ValueError(f"embeddings of {backend.name!r} cannot be kept: no embedding_type")
        self._kind: type = kind
        self.store = store or EmbeddingStore()
        self._budget = (
            int(_MEMORY_FRACTION * psutil.virtual_memory().available) if budget is None else budget
        )
        self._in_memory: OrderedDict[str, Any] = OrderedDict()
        self._bytes = 0

    def is_cached(self, image: PlaneImage) -> bool:
        """Return whether the embedding of a plane is in memory or on disk."""
        key = embedding_key(self.identity, image)
        return key in self._in_memory or self.store.holds(key)

    def embed(self, image: PlaneImage) -> Any:
        """Return the embedding of a plane, computed only if it is not cached."""
        key = embedding_key(self.identity, image)
        if key in self._in_memory:
            self._in_memory.move_to_end(key)
            return self._in_memory[key]
        embedding = self.store.read(key, self._kind)
        if embedding is None:
            embedding = self.backend.embed(image)
            self.store.write(key, embedding)
        self._keep(key, embedding)
        return embedding

    def _keep(self, key: str, embedding: Any) -> None:
        self._in_memory[key] = embedding
        self._bytes += embedding_bytes(embedding)
        while self._bytes > self._budget and len(self._in_memory) > 1:
            _, old = self._in_memory.popitem(last=False)
            self._bytes -= embedding_bytes(old)

    def close(self) -> None:
        """Free the embeddings in memory, and close the backend."""
        self._in_memory.clear()
        self._bytes = 0
        super().close()
