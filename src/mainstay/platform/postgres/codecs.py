"""How values of our types travel: JSON by orjson, `halfvec` in pgvector's binary form (16-bit big-endian floats).

`bigint[]` is encoded by numpy: an index sends integers by the hundred thousand, and the driver asks of each whether it
is an array itself.
"""

import struct
from collections.abc import Sequence

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray

_JSONB_VERSION = b"\x01"
_BIGINT_OID, _BIGINT_ARRAY_OID = 20, 1016
# Dimensions, flags, type of the elements, their number, and the number of the first.
_ARRAY_HEADER = struct.Struct(">5i")
_BIGINT_ELEMENT = np.dtype([("bytes", ">i4"), ("value", ">i8")])


def encode_halfvec(vector: NDArray[np.floating]) -> bytes:
    """Return pgvector's binary `halfvec`: two 16-bit integers (dimensions, unused), then the halves."""
    return struct.pack(">HH", len(vector), 0) + np.asarray(vector).astype(">f2").tobytes()


def encode_halfvecs(vectors: NDArray[np.floating]) -> list[bytes]:
    """Return each row of a matrix as a binary `halfvec`, which the codec sends as it is."""
    header = struct.pack(">HH", vectors.shape[1], 0)
    return [header + row.tobytes() for row in vectors.astype(">f2")]


def encode_bigints(numbers: Sequence[int] | NDArray[np.int64]) -> bytes:
    """Return PostgreSQL's binary `bigint[]` of one dimension: a header, then each number with its length before it."""
    elements = np.empty(len(numbers), dtype=_BIGINT_ELEMENT)
    elements["bytes"] = 8
    elements["value"] = np.asarray(numbers, dtype=np.int64)
    return _ARRAY_HEADER.pack(1, 0, _BIGINT_OID, len(numbers), 1) + elements.tobytes()


def decode_bigints(data: bytes) -> list[int]:
    """Return the numbers of a binary `bigint[]` of one dimension without nulls; an empty one has half a header."""
    return np.frombuffer(data[_ARRAY_HEADER.size :], dtype=_BIGINT_ELEMENT)["value"].tolist()


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
    # What `set_type_codec` does at its end: it takes no array types, although their codecs are looked up like others.
    connection.get_settings().add_python_codec(
        _BIGINT_ARRAY_OID, "_int8", "pg_catalog", [], "scalar", encode_bigints, decode_bigints, "binary"
    )
    schema = await connection.fetchval(
        "SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typname = 'halfvec'"
    )
    if schema is not None:
        await connection.set_type_codec(
            "halfvec",
            schema=schema,
            format="binary",
            encoder=lambda value: value if isinstance(value, bytes) else encode_halfvec(value),
            decoder=decode_halfvec,
        )
