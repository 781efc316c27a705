"""The one pool of connections of a process, and the only place where transactions begin and end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Self

import asyncpg
import structlog
from prometheus_client import Counter

from mainstay.kernel.errors import Invalid, Unavailable
from mainstay.platform.postgres.codecs import install_codecs
from mainstay.platform.postgres.queries import Query
from mainstay.platform.postgres.redaction import forget_values
from mainstay.platform.postgres.scope import Scope, ScopeKey
from mainstay.platform.postgres.transactions import (
    Connection,
    KeyholeTx,
    ReadTx,
    Record,
    WriteTx,
    mark_transaction,
)

log = structlog.get_logger(__name__)

# Whatever keeps a connection from being had: the server is away, full, or has another password or database now.
_NO_CONNECTION = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_CONNECTION_LOST = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
# What may go well when it is tried again: a deadline ran out, or two transactions waited for each other.
_GAVE_WAY = (asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError, TimeoutError)
# What the database cannot do just now: it became a replica, or has no room, memory or connection left.
_CANNOT = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InsufficientResourcesError)
# NUL, which PostgreSQL keeps in no text, as its text types and as its JSON say it.
_UNSTORABLE = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
# The scope is a parameter: whatever stands in a statement's text, every session of the role can read.
_SET_SCOPE = "SELECT set_config('mainstay.scope', $1, true)"
_SET_SCOPE_AND_ROLE = "SELECT set_config('mainstay.scope', $1, true), set_config('role', $2, true)"

AFTER_COMMIT_FAILED = Counter(
    "mainstay_after_commit_failed", "Listeners that failed when they were told of a commit.", ["listener"]
)

CommitListener = Callable[[Sequence[object]], None]
"""Is told, once a transaction has committed, what `after_commit` noted in it; must neither wait nor raise."""


class UnstorableText(Invalid):
    """A text holds what no text in the database can hold."""

    code = "unstorable_text"


@dataclass(frozen=True)
class PoolLimits:
    """What one process may take from the database, each with a deadline."""

    connections_max: int = 8
    acquire_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    # A backend of PostgreSQL holds some 15 MiB, which an idle laptop should have back.
    idle_connection_s: float = 30.0
    statement_timeout_s: float = 30.0
    idle_in_transaction_timeout_s: float = 30.0
    # How many statements a session keeps prepared, those of who sees all and of the others beside each other.
    statements_max: int = 200
    # Whether a pooler stands between that gives each transaction another session, as PgBouncer does.
    pooled: bool = False

    def settings(self) -> dict[str, str]:
        """Return what PostgreSQL is to hold each session to, or each transaction behind a pooler."""
        return {
            "search_path": "mainstay, public",
            "statement_timeout": f"{int(self.statement_timeout_s * 1000)}",
            "idle_in_transaction_session_timeout": f"{int(self.idle_in_transaction_timeout_s * 1000)}",
            # To plan a statement with its policies costs as much as to run it, so PostgreSQL keeps the plan of one that
            # it saw five times, unless a plan for the very values gains more: as where a page is read in either order.
            "plan_cache_mode": "auto",
            "jit": "off",
        }


class Database:
    """Opens transactions; holds the pool and nothing else."""

    def __init__(self, pool: asyncpg.Pool, limits: PoolLimits, scope_key: ScopeKey, *, as_owner: bool) -> None:
        self._pool = pool
        self._limits = limits
        self._scope_key = scope_key
        self._listeners: list[CommitListener] = []
        self._as_owner = as_owner
        # A pooler takes no settings with a connection, so they come with each transaction.
        local = (f"SET LOCAL {name} = {value}" for name, value in limits.settings().items())
        self._after_begin = "".join(f"; {setting}" for setting in local) if limits.pooled else ""

    @classmethod
    async def connect(
        cls,
        url: str,
        limits: PoolLimits | None = None,
        *,
        scope_key: ScopeKey,
        application: str = "mainstay",
        as_owner: bool = False,
    ) -> Self:
        """Return a database for `url`; raises Unavailable with a sentence when it does not answer.

        Each transaction of a scope becomes the role of that scope, but not those of the owner of the schema, whom
        `as_owner` names: it is in neither role, and sees no row that is hidden inside a tenant.
        """
        limits = limits or PoolLimits()
        settings = {"application_name": application, **({} if limits.pooled else limits.settings())}
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=limits.connections_max,
                max_inactive_connection_lifetime=limits.idle_connection_s,
                timeout=limits.connect_timeout_s,
                command_timeout=limits.statement_timeout_s + 5,
                server_settings=settings,
                # What one session prepared, another does not know.
                statement_cache_size=0 if limits.pooled else limits.statements_max,
                init=install_codecs,
                reset=_check_clean,
            )
        except _NO_CONNECTION as lost:
            raise Unavailable(f"The database does not answer: {lost or type(lost).__name__}") from lost
        return cls(pool, limits, scope_key, as_owner=as_owner)

    async def close(self) -> None:
        """Close the pool; connections still busy after five seconds are ended."""
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()

    def on_commit(self, listener: CommitListener) -> None:
        """Tell `listener` of each transaction that has committed with notes, from now on.

        It is called outside the transaction, once, and never for one that was rolled back or whose end is unknown. So
        it may miss a commit, when the process dies or the connection breaks just then: only hints belong here.
        """
        self._listeners.append(listener)

    @asynccontextmanager
    async def read(self, scope: Scope) -> AsyncGenerator[ReadTx]:
        """Open a read-only transaction of one tenant."""
        async with self._transaction("read", "BEGIN READ ONLY", scope) as connection:
            tx = ReadTx(connection, scope)
            yield tx
        self._tell(tx.notes)

    @asynccontextmanager
    async def write(self, scope: Scope, *, unaudited: str | None = None) -> AsyncGenerator[WriteTx]:
        """Open a transaction of one tenant that may write; it commits only with an audit row or a reason why not."""
        async with self._transaction("write", "BEGIN", scope) as connection:
            tx = WriteTx(connection, scope, unaudited=unaudited)
            yield tx
            tx.check_audited()
        self._tell(tx.notes)

    @asynccontextmanager
    async def keyhole(self) -> AsyncGenerator[KeyholeTx]:
        """Open a transaction without a tenant, for the functions of the schema `keyhole`."""
        async with self._transaction("keyhole", "BEGIN") as connection:
            tx = KeyholeTx(connection)
            yield tx
        self._tell(tx.notes)

    @asynccontextmanager
    async def keyhole_statements(self) -> AsyncGenerator[KeyholeTx]:
        """Open the keyhole without BEGIN: each statement is a transaction of its own, in one round trip.

        For one that locks what other processes wait for: its locks end with it, whatever becomes of this process.
        """
        async with self._transaction("keyhole", None) as connection:
            tx = KeyholeTx(connection)
            yield tx
        self._tell(tx.notes)

    async def read_each(self, scopes: Sequence[Scope], query: Query, **params: object) -> Sequence[Record]:
        """Run one statement that reads for several tenants in one round trip.

        Its parameter `scopes` has the signature of each of `scopes`, which it sets one after the other.
        """
        async with self._transaction("read", None) as connection:
            signed = [self._scope_key.sign(scope) for scope in scopes]
            return await KeyholeTx(connection).fetch(query, scopes=signed, **params)

    async def current_role(self) -> str:
        """Return the name of the role that the connections have."""
        async with self._connection() as connection:
            return str(await connection.fetchval("SELECT current_user"))

    async def ping(self, timeout_s: float = 2.0) -> None:
        """Raise Unavailable unless the database answers within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s), self._pool.acquire(timeout=timeout_s) as connection:
                await connection.execute("SELECT 1")
        except _NO_CONNECTION as lost:
            raise Unavailable(f"The database does not answer: {lost or type(lost).__name__}") from lost

    def _tell(self, notes: Sequence[object]) -> None:
        if not notes:
            return
        for listener in self._listeners:
            try:
                listener(notes)
            except Exception:
                # The transaction has committed: whoever wrote in it must not be told that it has not.
                name = getattr(listener, "__qualname__", type(listener).__name__)
                log.exception("database.after_commit_failed", listener=name)
                AFTER_COMMIT_FAILED.labels(name).inc()

    @asynccontextmanager
    async def _transaction(
        self, kind: Literal["read", "write", "keyhole"], begin: str | None, scope: Scope | None = None
    ) -> AsyncGenerator[Connection]:
        mark_transaction(kind)
        try:
            async with self._connection() as connection:
                try:
                    if begin is not None:
                        await connection.execute(begin + self._after_begin)
                    if scope is not None:
                        await self._set_scope(connection, scope)
                    yield connection
                    if begin is not None:
                        await connection.execute("COMMIT")
                except BaseException as error:
                    forget_values(error)
                    await _roll_back(connection)
                    raise
        finally:
            mark_transaction(None)

    async def _set_scope(self, connection: Connection, scope: Scope) -> None:
        if self._as_owner:
            await connection.fetchval(_SET_SCOPE, self._scope_key.sign(scope))
        else:
            await connection.fetchval(_SET_SCOPE_AND_ROLE, self._scope_key.sign(scope), scope.role)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        try:
            connection = await self._pool.acquire(timeout=self._limits.acquire_timeout_s)
        except _NO_CONNECTION as lost:
            raise Unavailable(f"The database does not answer: {lost or type(lost).__name__}") from lost
        try:
            yield connection
        except _CONNECTION_LOST as lost:
            raise Unavailable(f"The connection to the database was lost: {lost}") from lost
        except _GAVE_WAY as late:
            raise Unavailable(f"The database took too long ({type(late).__name__}); try again.") from late
        except _CANNOT as unable:
            raise Unavailable(f"The database cannot do this now ({unable}); try again.") from unable
        except asyncpg.DataError as error:
            if not _is_unstorable(error):
                raise
            raise UnstorableText(
                "A text holds the character NUL or half of a surrogate pair, which cannot be stored: remove it."
            ) from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # The driver says so when the server ended the session between two statements.
            if not _is_lost(connection):
                raise
            raise Unavailable(f"The connection to the database was lost: {error}") from error
        finally:
            await self._pool.release(connection)


def _is_unstorable(error: BaseException) -> bool:
    """Return whether a text was refused: by the server for NUL, or by an encoder of the driver for a lone surrogate."""
    return isinstance(error, _UNSTORABLE) or "surrogates not allowed" in str(error.__cause__)


def _is_lost(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool takes a connection that was lost back at once, and then its handle answers nothing more.
        return True


async def _roll_back(connection: Connection) -> None:
    """End the transaction whatever state the connection is in; one that cannot roll back is dropped."""
    if _is_lost(connection):
        return
    try:
        await connection.execute("ROLLBACK", timeout=5)
    except BaseException:  # noqa: BLE001  (the caller raises what ended the transaction)
        # The caller raises what ended the transaction; a connection in doubt must not go back to the pool.
        if not _is_lost(connection):
            connection.terminate()


async def _check_clean(connection: Connection) -> None:
    """Settings are LOCAL to transactions, so a returned connection needs no reset, only to be outside of one."""
    if connection.is_in_transaction():
        raise asyncpg.InternalClientError("a connection came back to the pool with an open transaction")
