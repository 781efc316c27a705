"""`mainstay worker` as a container runs it: the same process as `python -m mainstay.edge.worker`, with its options."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from mainstay.platform.processes.ports import pick_port
from tests.support.database import SCOPE_KEY, DatabaseUrls
from tests.support.jobs import DEADLINE_S, eventually
from tests.support.sqs_stub import ACCOUNT, NONE, running_stub


def environment(home: Path, url: str | None = None, **given: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAINSTAY_", "AWS_"))}
    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "eu-central-1"}
    ours = {"MAINSTAY_HOME": str(home), "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex()}
    database = {"MAINSTAY_APP_DATABASE_URL": url} if url else {}
    return {**inherited, **credentials, **ours, **database, **given}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mainstay.edge.cli.app", "worker", *arguments],
        env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


@asynccontextmanager
async def started(*arguments: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mainstay.edge.cli.app", "worker", *arguments, env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--concurrency", "0"], "MAINSTAY_WORKER_CONCURRENCY has the value 0"),
        (["--concurrency", "many"], "Invalid value for '--concurrency'"),
        (["--health-port", "99999"], "MAINSTAY_WORKER_HEALTH_PORT has the value 99999"),
        (
            ["--transport", "pigeon"],
            "MAINSTAY_JOB_TRANSPORT has the value 'pigeon': Input should be 'postgres' or 'sqs'",
        ),
        (["--transport", "sqs"], "MAINSTAY_SQS_URL_PREFIX is not set"),
        ([], "DATABASE_URL is not set"),
    ],
)
def test_option_that_cannot_be_right_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    ended = run(*arguments, **environment(tmp_path))
    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (
            ["--queues", "ingestt"],
            {},
            "There is no queue 'ingestt' (--queues, MAINSTAY_WORKER_QUEUES): the queues are ",
        ),
        (["--transport", "sqs"], {"MAINSTAY_SQS_URL_PREFIX": "mainstay-"}, "is not what the URLs of SQS queues begin"),
        (
            ["--transport", "sqs"],
            {"MAINSTAY_SQS_URL_PREFIX": f"http://127.0.0.1:1/{ACCOUNT}/m-", "AWS_REGION": ""},
            "names no region of AWS: set AWS_REGION",
        ),
    ],
)
def test_setting_that_only_the_system_knows_is_wrong_is_one_sentence(
    database_urls: DatabaseUrls, tmp_path: Path, arguments: list[str], given: dict[str, str], sentence: str
) -> None:
    ended = run(*arguments, **environment(tmp_path, database_urls.app, **given))
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_queue_that_nobody_made_is_one_sentence(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    with running_stub(NONE) as stub:
        prefix = {"MAINSTAY_SQS_URL_PREFIX": f"{stub.address}/{ACCOUNT}/m-"}
        ended = run("--transport", "sqs", **environment(tmp_path, database_urls.app, **prefix))
    assert ended.returncode == 1
    assert "Create it, or correct MAINSTAY_SQS_URL_PREFIX" in ended.stderr


@pytest.mark.parametrize("transport", ["postgres", "sqs"])
async def test_worker_tells_of_its_health_and_ends_with_0(
    database_urls: DatabaseUrls, models_folder: Path, tmp_path: Path, transport: str
) -> None:
    (tmp_path / "models").symlink_to(models_folder)
    port = pick_port("127.0.0.1")
    with running_stub(NONE) as stub:
        for queue in ("ingest", "documents", "default"):
            stub.create(f"m-{queue}")
        given = {"MAINSTAY_SQS_URL_PREFIX": f"{stub.address}/{ACCOUNT}/m-", "MAINSTAY_WORKER_CONCURRENCY": "2"}
        options = ("--transport", transport, "--health-port", str(port), "--concurrency", "3")
        env = environment(tmp_path, database_urls.app, **given)
        async with (
            started(*options, **env) as process,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
        ):
            await eventually(lambda: _is_ready(http, process))
            assert (await http.get("/healthz")).status_code == 200
            assert "mainstay_jobs_unfinished" in (await http.get("/metrics")).text
            if transport == "sqs":
                await eventually(lambda: _receives(stub))
            process.terminate()
            assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0


async def _receives(stub: object) -> bool:
    return stub.calls["ReceiveMessage"] > 0  # type: ignore[attr-defined]


async def _is_ready(http: httpx2.AsyncClient, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None, "the worker ended before it was ready"
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def test_nothing_of_aws_is_imported_unasked() -> None:
    """The server's cold start must not pay for a transport that it may not have."""
    code = (
        "import sys, mainstay.bootstrap, mainstay.edge.server.app, mainstay.edge.worker.command;"
        " print([name for name in sys.modules if name.split('.')[0] in ('boto3', 'botocore', 'urllib3')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert ended.stdout.strip() == "[]"
