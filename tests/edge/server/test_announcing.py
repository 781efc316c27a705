"""A server on SQS: it says what its commits make due, and what nobody has said, also where no worker runs."""

import asyncio
from pathlib import Path

from mainstay.bootstrap import open_server
from mainstay.config import load_settings
from mainstay.platform.jobs import JobKind
from mainstay.platform.postgres import Database
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import enqueue_one, eventually
from tests.support.sqs_stub import ACCOUNT, NONE, StubSqs, running_stub
from tests.support.tenants import TestTenant
from tests.support.transports import REGION, aws_environment

NEVER_WORKED = JobKind("test.none", "announced", timeout_s=1)


async def has(stub: StubSqs, messages: int) -> bool:
    return (await asyncio.to_thread(stub.depth, "m-announced"))[0] == messages


async def test_server_announces_its_commits_and_what_was_never_announced(
    database: Database, database_urls: DatabaseUrls, tenant: TestTenant, models_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(models_folder)
    for _ in range(2):
        await enqueue_one(database, tenant.admin, NEVER_WORKED)
    with aws_environment(), running_stub(NONE) as stub:
        stub.create("m-announced")
        settings = load_settings(
            home=tmp_path,
            app_database_url=database_urls.app,
            scope_key=SCOPE_KEY.secret.hex(),
            job_transport="sqs",
            sqs_url_prefix=f"{stub.address}/{ACCOUNT}/m-",
            aws_region=REGION,
        )
        async with open_server(settings) as system:
            await eventually(lambda: has(stub, 2))
            await enqueue_one(system.database, tenant.admin, NEVER_WORKED)
            await eventually(lambda: has(stub, 3))
