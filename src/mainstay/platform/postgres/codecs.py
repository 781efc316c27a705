"""How values of our types travel: JSON by orjson, `halfvec` in pgvector's binary form (16-bit big-endian floats)."""

import struct

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

_JSONB_VERSION = b"\x01"


def encode_halfvec(vector: NDArray[np.floating]) -> bytes:
    """Return pgvector's binary `halfvec`: two 16-bit integers (dimensions, unused), then the halves."""
    return struct.pack(">HH", len(vector), 0) + np.asarray(vector).astype(">f2").tobytes()


def decode_halfvec(data: bytes) -> NDArray[np.float32]:
    """Return the vector inside pgvector's binary `halfvec` as 32-bit floats."""
    return np.frombuffer(data, dtype=">f2", offset=4).astype(np.float32)


async def install_codecs(connection: asyncpg.Connection) -> None:
    """Teach one connection our types; runs once when the pool opens it."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )
    schema = await connection.fetchval(
        "SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'halfvec'"
    )
    if schema is not None:
        await connection.set_type_codec(
            "halfvec", schema=schema, format="binary", encoder=encode_halfvec, decoder=decode_halfvec
        )
