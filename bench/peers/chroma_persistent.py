"""Chroma's PersistentClient. It reads no files, so LlamaIndex's reader and splitter come before it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import chromadb
import numpy as np
from chromadb import Documents, EmbeddingFunction
from chromadb.config import Settings

from bench.actions import serve
from bench.peers.embedder import BATCH_TEXTS, SynchronousMiniLm
from bench.peers.llama_index_postgres import read_files, splitter


class MiniLmFunction(EmbeddingFunction[Documents]):
    """The model behind Chroma's interface."""

    def __init__(self, model: SynchronousMiniLm) -> None:
        self._model = model

    def __call__(self, input: Documents) -> list[Any]:  # noqa: A002  (Chroma's name)
        batches = [input[start : start + BATCH_TEXTS] for start in range(0, len(input), BATCH_TEXTS)]
        return list(np.concatenate([self._model.embed(batch) for batch in batches]))

    @staticmethod
    def name() -> str:
        return SynchronousMiniLm.name

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "MiniLmFunction":
        raise RuntimeError(f"{config}: the function is given at each opening, never made from a configuration")


class ChromaPersistent:
    """Each ingest fills a collection of its own."""

    def __init__(self) -> None:
        self._splitter = splitter()
        self._model: SynchronousMiniLm
        self._texts: list[str] = []

    def open(self, folder: str, models: str) -> None:
        """Open the client on a folder and load the model."""
        self._model = SynchronousMiniLm(Path(models))
        self._function = MiniLmFunction(self._model)
        self._client = chromadb.PersistentClient(path=folder, settings=Settings(anonymized_telemetry=False))

    def ingest(self, paths: Sequence[str]) -> Mapping[str, object]:
        """Read, split, embed and store files."""
        found = read_files(paths)
        nodes = self._splitter.get_nodes_from_documents(found)
        collection = self._collection(self._function)
        for start in range(0, len(nodes), self._client.get_max_batch_size()):
            batch = nodes[start : start + self._client.get_max_batch_size()]
            collection.add(
                ids=[node.node_id for node in batch],
                documents=[node.get_content() for node in batch],
                metadatas=[{"file_path": node.metadata["file_path"]} for node in batch],
            )
        read = {document.metadata["file_path"] for document in found}
        return {"store": "", "documents": len(read), "failed": len(paths) - len(read)}

    def embed_only(self, store: str) -> Mapping[str, object]:
        """Embed again what the last ingest embedded, and do nothing else."""
        return self._model.embed_again()

    def load_rows(self, texts: str, vectors: str) -> int:
        """Keep given texts and vectors for `add_rows`."""
        self._texts = json.loads(Path(texts).read_text(encoding="utf-8"))
        self._vectors = np.load(vectors)
        return len(self._texts)

    def prepare_rows(self) -> None:
        """Make an empty collection for `add_rows`."""
        self._empty = self._collection(None)

    def add_rows(self) -> int:
        """Store the rows, as many at once as Chroma takes."""
        ids = [str(uuid4()) for _ in self._texts]
        step = self._client.get_max_batch_size()
        for start in range(0, len(ids), step):
            rows = slice(start, start + step)
            self._empty.add(ids=ids[rows], documents=self._texts[rows], embeddings=self._vectors[rows])
        return len(ids)

    def close(self) -> None:
        """Nothing is left open that the end of the process does not close."""

    def _collection(self, function: MiniLmFunction | None) -> Any:
        return self._client.create_collection(f"bench-{uuid4().hex}", embedding_function=function)


if __name__ == "__main__":
    asyncio.run(serve(ChromaPersistent()))
