"""The relational store: transactions of one tenant, SQL by name, migrations, and the posture of the role."""

from asyncpg import InsufficientPrivilegeError as InsufficientPrivilege
from asyncpg import UniqueViolationError as UniqueViolation

from mainstay.platform.postgres.database import Database, PoolLimits
from mainstay.platform.postgres.pages import fetch_page
from mainstay.platform.postgres.queries import Query, load_queries
from mainstay.platform.postgres.scope import Scope, ScopeKey, load_scope_key
from mainstay.platform.postgres.transactions import (
    KeyholeTx,
    PortCalledInTransaction,
    ReadTx,
    Record,
    WriteTx,
    outside_transaction,
)

__all__ = [
    "Database",
    "InsufficientPrivilege",
    "KeyholeTx",
    "PoolLimits",
    "PortCalledInTransaction",
    "Query",
    "ReadTx",
    "Record",
    "Scope",
    "ScopeKey",
    "UniqueViolation",
    "WriteTx",
    "fetch_page",
    "load_queries",
    "load_scope_key",
    "outside_transaction",
]
