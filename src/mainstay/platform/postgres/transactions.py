"""Transactions: short, for one tenant, and without any other input or output while they are open.

Reading and writing are different types, so that a reader cannot write by accident, and a statement without a tenant
cannot be written at all: the tenant is bound by the transaction, never by its caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import asyncpg

from mainstay.platform.postgres.queries import Query
from mainstay.platform.postgres.scope import Scope

Record = Mapping[str, Any]
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_open_transaction: ContextVar[str | None] = ContextVar("open_transaction", default=None)


class PortCalledInTransaction(AssertionError):
    """A model, parser or blob was called while a transaction was open; end the transaction first."""


def outside_transaction(port: str) -> None:
    """Raise unless no transaction is open in this task. Every port that may wait calls it first."""
    opened = _open_transaction.get()
    if opened is not None:
        raise PortCalledInTransaction(
            f"'{port}' was called while a {opened} transaction was open; close it first,"
            " so that no connection waits for it"
        )


def mark_transaction(kind: str | None) -> None:
    """Note that a transaction of this kind is open in this task, or that none is."""
    if kind is not None:
        outside_transaction(f"a second ({kind}) transaction")
    _open_transaction.set(kind)


class KeyholeTx:
    """A transaction of no tenant: it can call the functions of the schema `keyhole` and nothing else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._notes: list[object] = []

    def after_commit(self, note: object) -> None:
        """Have the database's listeners told of `note` once this transaction has committed; see Database.on_commit."""
        self._notes.append(note)

    @property
    def notes(self) -> Sequence[object]:
        """Return what is to be told after the commit."""
        return self._notes

    async def fetch(self, query: Query, **params: object) -> Sequence[Record]:
        """Return all rows of `query`."""
        return await self._connection.fetch(self._text(query), *self._arguments(query, params))

    async def fetch_one(self, query: Query, **params: object) -> Record | None:
        """Return the first row of `query`, or None."""
        return await self._connection.fetchrow(self._text(query), *self._arguments(query, params))

    async def fetch_value(self, query: Query, **params: object) -> Any:
        """Return the first column of the first row of `query`, or None."""
        return await self._connection.fetchval(self._text(query), *self._arguments(query, params))

    def _text(self, query: Query) -> str:
        return query.sql

    def _bound(self) -> Mapping[str, object]:
        return {}

    def _arguments(self, query: Query, params: Mapping[str, object]) -> list[object]:
        bound = self._bound()
        if bound.keys() & params.keys():
            given = sorted(bound.keys() & params.keys())
            raise TypeError(f"query '{query.name}': {given} is bound by the transaction; leave it out")
        unknown = params.keys() - set(query.params)
        if unknown:
            raise TypeError(f"query '{query.name}' takes {list(query.params)}, not {sorted(unknown)}")
        try:
            return [bound[name] if name in bound else params[name] for name in query.params]
        except KeyError as missing:
            raise TypeError(f"query '{query.name}' needs a value for {missing}") from None


class ReadTx(KeyholeTx):
    """A read-only transaction of one tenant."""

    def __init__(self, connection: Connection, scope: Scope) -> None:
        super().__init__(connection)
        self.scope = scope

    def _text(self, query: Query) -> str:
        return query.wide_sql if self.scope.sees_all else query.sql

    def _bound(self) -> Mapping[str, object]:
        return {"tenant_id": self.scope.tenant_id, "principal_id": self.scope.principal_id}


class WriteTx(ReadTx):
    """A transaction of one tenant that may change its rows.

    It refuses to commit changes that no audit row tells of, unless it was opened with a reason why none is due.
    """

    def __init__(self, connection: Connection, scope: Scope, *, unaudited: str | None) -> None:
        super().__init__(connection, scope)
        self._unaudited = unaudited
        self._changed_by: str | None = None
        self._audited = False

    async def execute(self, query: Query, **params: object) -> int:
        """Run `query` and return how many rows it changed."""
        self._changed_by = self._changed_by or query.name
        status = await self._connection.execute(self._text(query), *self._arguments(query, params))
        return int(status.rsplit(" ", 1)[-1])

    async def change_value(self, query: Query, **params: object) -> Any:
        """Run an INSERT or UPDATE with RETURNING and return its first value, or None where no row was touched."""
        self._changed_by = self._changed_by or query.name
        return await self.fetch_value(query, **params)

    async def execute_many(self, query: Query, rows: Iterable[Mapping[str, object]]) -> None:
        """Run `query` once for each mapping of parameters, in one pipelined batch.

        For many rows prefer one `INSERT … SELECT … FROM unnest(:ids, …)`: COPY is not open to a role under
        row-level security, and arrays travel in binary just as fast.
        """
        self._changed_by = self._changed_by or query.name
        await self._connection.executemany(self._text(query), [self._arguments(query, row) for row in rows])

    def mark_audited(self) -> None:
        """Note that an audit row of this transaction was written; called by the audit slice alone."""
        self._audited = True

    def check_audited(self) -> None:
        """Raise if the transaction changed something that no audit row tells of."""
        if self._changed_by and not self._audited and not self._unaudited:
            raise AssertionError(
                f"'{self._changed_by}' changed rows without an audit row in the same transaction; record one,"
                " or open the transaction with unaudited='why none is due'"
            )
