"""LlamaIndex with PGVectorStore as its documentation shows it, given larger batches than its defaults.

Files are read by SimpleDirectoryReader with the readers of llama-index-readers-file, HTML by its HTMLTagReader (the
default would index the markup). SentenceSplitter makes pieces of 256 of its tokens, which is what the model reads.
The store has no lexical index and no HNSW index: less work than ours does, and exact search as ours.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, Document, TextNode
from llama_index.readers.file import HTMLTagReader
from llama_index.vector_stores.postgres import PGVectorStore

from bench.actions import serve
from bench.peers.embedder import BATCH_TEXTS, SynchronousMiniLm

CHUNK_TOKENS = 256
OVERLAP_TOKENS = 20


class MiniLmEmbedding(BaseEmbedding):
    """The model behind LlamaIndex's interface."""

    _model: SynchronousMiniLm = PrivateAttr()

    def __init__(self, model: SynchronousMiniLm) -> None:
        super().__init__(model_name=model.name, embed_batch_size=BATCH_TEXTS)
        self._model = model

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._model.embed(texts).tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def read_files(paths: Sequence[str]) -> list[Document]:
    """Return the documents (of a PDF one for each page) in files; what cannot be read is left out with a warning."""
    reader = SimpleDirectoryReader(
        input_files=paths, filename_as_id=True, file_extractor={".html": HTMLTagReader(tag="body")}
    )
    return [document for document in reader.load_data() if document.text.strip()]


def splitter() -> SentenceSplitter:
    """Return what cuts documents into chunks."""
    return SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS)


class LlamaIndexOnPostgres:
    """Each ingest fills a table of its own."""

    def __init__(self) -> None:
        self._connection: Mapping[str, Any] = {}
        self._tables = 0
        self._model: SynchronousMiniLm
        self._nodes: list[BaseNode] = []
        self._splitter = splitter()

    def open(self, connection: Mapping[str, Any], models: str) -> None:
        """Load the model; `connection` holds host, port, user, password and database."""
        self._connection = connection
        self._model = SynchronousMiniLm(Path(models))
        self._embedding = MiniLmEmbedding(self._model)

    def ingest(self, paths: Sequence[str]) -> Mapping[str, object]:
        """Read, split, embed and store files."""
        found = read_files(paths)
        VectorStoreIndex.from_documents(
            found,
            storage_context=StorageContext.from_defaults(vector_store=self._store()),
            embed_model=self._embedding,
            transformations=[self._splitter],
        )
        read = {document.metadata["file_path"] for document in found}
        return {"store": "", "documents": len(read), "failed": len(paths) - len(read)}

    def embed_only(self, store: str) -> Mapping[str, object]:
        """Embed again what the last ingest embedded, and do nothing else."""
        return self._model.embed_again()

    def load_rows(self, texts: str, vectors: str) -> int:
        """Make nodes of given texts and vectors, and keep them for `add_rows`."""
        rows = zip(json.loads(Path(texts).read_text(encoding="utf-8")), np.load(vectors), strict=True)
        self._nodes = [TextNode(text=text, embedding=vector.tolist()) for text, vector in rows]
        return len(self._nodes)

    def prepare_rows(self) -> None:
        """Make an empty table for `add_rows`."""
        self._empty = self._store()

    def add_rows(self) -> int:
        """Store the nodes."""
        return len(self._empty.add(self._nodes))

    def close(self) -> None:
        """Nothing is left open that the end of the process does not close."""

    def _store(self) -> PGVectorStore:
        self._tables += 1
        store = PGVectorStore.from_params(
            **self._connection, table_name=f"bench_{self._tables}", embed_dim=SynchronousMiniLm.dimensions
        )
        # Makes the table now.
        store.add([])
        return store


if __name__ == "__main__":
    asyncio.run(serve(LlamaIndexOnPostgres()))
