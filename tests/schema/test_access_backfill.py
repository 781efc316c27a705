"""Rows that stood before documents could be restricted: each embedding learns which document it is of."""

import secrets
from uuid import UUID, uuid4

import asyncpg
import pytest

from mainstay.platform.postgres.migrations import migrate
from mainstay.schema import migrations
from tests.support.database import OWNER_LOGIN, PASSWORD, RUNTIME_LOGIN, DatabaseUrls, at

BEFORE = "0013_pre_access"
ALWAYS_KNOWN = "0018_pre_embedding_documents"
_ROWS = """
INSERT INTO mainstay.tenants (tenant_id, name) VALUES ('{tenant}', '{name}');
INSERT INTO mainstay.principals (tenant_id, id, name, role) VALUES ('{tenant}', '{tenant}', 'a', 'admin');
INSERT INTO mainstay.stores (tenant_id, id, owner_id, visibility, name)
VALUES ('{tenant}', '{tenant}', '{tenant}', 'tenant', 's');
INSERT INTO mainstay.files (tenant_id, id, owner_id, visibility, filename, purpose, bytes, sha256)
VALUES ('{tenant}', '{tenant}', '{tenant}', 'tenant', 'f', 'assistants', 1, sha256('a'));
INSERT INTO mainstay.index_generations (tenant_id, id, store_id, number, live, embedding_model, dimensions)
VALUES ('{tenant}', '{tenant}', '{tenant}', 1, true, 'm', 3);
"""
_DOCUMENT = """
INSERT INTO mainstay.documents (tenant_id, id, store_id, external_id) VALUES ('{tenant}', '{id}', '{tenant}', '{id}');
INSERT INTO mainstay.document_versions (tenant_id, id, store_id, document_id, file_id, number, sha256)
VALUES ('{tenant}', '{id}', '{tenant}', '{id}', '{tenant}', 1, sha256('a'));
INSERT INTO mainstay.chunks (tenant_id, id, store_id, document_id, version_id, chunk_no, ordinal, text, start_char,
                             end_char, heading_path, sha256, term_count)
VALUES ('{tenant}', '{id}', '{tenant}', '{id}', '{id}', {no}, 0, 't', 0, 1, '{{}}', sha256('a'), 1);
INSERT INTO mainstay.embeddings (tenant_id, generation_id, chunk_no, input_sha256, embedding)
VALUES ('{tenant}', '{tenant}', {no}, sha256('a'), '[1,0,0]');
"""


async def test_embeddings_of_all_tenants_learn_their_document(superuser_url: str, database_urls: DatabaseUrls) -> None:
    name = f"mainstay_test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(superuser_url)
    url = at(superuser_url, user=OWNER_LOGIN, password=PASSWORD, database=name)
    files = migrations()
    before = [file for file in files if file.name < BEFORE]
    between = [file for file in files if file.name < ALWAYS_KNOWN]
    assert len(before) < len(between) < len(files)
    try:
        await server.execute(f"CREATE DATABASE {name} OWNER {OWNER_LOGIN}")
        superuser = await asyncpg.connect(at(superuser_url, database=name))
        await superuser.execute("CREATE EXTENSION vector")
        await migrate(url, before, runtime_login=RUNTIME_LOGIN)
        expected = await _add_rows(superuser)
        await migrate(url, between, runtime_login=RUNTIME_LOGIN)
        # An older writer that still runs leaves the document out.
        expected |= await _add_rows(superuser)
        assert await superuser.fetchval("SELECT count(*) FROM mainstay.embeddings WHERE document_id IS NULL") == 6
        await migrate(url, files, runtime_login=RUNTIME_LOGIN)
        with pytest.raises(asyncpg.NotNullViolationError):
            await superuser.execute("UPDATE mainstay.embeddings SET document_id = NULL")
        rows = await superuser.fetch("SELECT tenant_id, chunk_no, document_id FROM mainstay.embeddings")
        forced = await superuser.fetchval(
            "SELECT bool_and(relforcerowsecurity) FROM pg_class"
            " WHERE relname IN ('embeddings', 'chunks', 'index_generations')"
        )
        await superuser.close()
    finally:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await server.close()
    assert {tuple(row) for row in rows} == expected
    assert len(expected) == 12
    assert forced


async def _add_rows(superuser: asyncpg.Connection) -> set[tuple[UUID, int, UUID]]:
    """Give two tenants three embeddings each, without the document; return what each should say."""
    expected = set()
    for tenant in (uuid4(), uuid4()):
        await superuser.execute(_ROWS.format(tenant=tenant, name=f"t-{tenant}"))
        for no, document in enumerate((uuid4(), uuid4(), uuid4()), start=1):
            await superuser.execute(_DOCUMENT.format(tenant=tenant, id=document, no=no))
            expected.add((tenant, no, document))
    return expected
