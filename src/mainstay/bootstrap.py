"""The only place where objects are wired: settings in, the objects of a process out."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import APIRouter

from mainstay.config import InvalidConfiguration, Settings, find_product, load_settings
from mainstay.control.audit.routes import AuditRoutes
from mainstay.control.gateway.completion import PlainChat
from mainstay.control.gateway.models import ChatModel
from mainstay.control.gateway.prices import price_nanos
from mainstay.control.gateway.providers.extractive import Extractive
from mainstay.control.gateway.providers.loading import LoadingModel
from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.providers.openai_compatible import OpenAiCompatible
from mainstay.control.gateway.routes import ModelRoutes
from mainstay.control.gateway.service import Gateway
from mainstay.control.limits.admission import Admission
from mainstay.control.limits.routes import LimitRoutes
from mainstay.control.members.group_routes import GroupRoutes
from mainstay.control.members.routes import MemberRoutes
from mainstay.control.metering.routes import UsageRoutes
from mainstay.control.operations.routes import JobRoutes
from mainstay.control.operations.schedule_clock import ScheduleClock, by_name
from mainstay.control.operations.schedule_routes import ScheduleRoutes
from mainstay.control.operations.schedules import Declared
from mainstay.knowledge.answers import service as answers
from mainstay.knowledge.answers.ask import Ask
from mainstay.knowledge.answers.chat_routes import ChatRoutes
from mainstay.knowledge.answers.routes import AnswerRoutes
from mainstay.knowledge.assistants.models import Assistant
from mainstay.knowledge.assistants.service import DEFAULT, Assistants
from mainstay.knowledge.documents.batch_routes import BatchRoutes
from mainstay.knowledge.documents.parsing import ParserLimits, ParserPool
from mainstay.knowledge.documents.routes import FileRoutes
from mainstay.knowledge.documents.share_routes import ShareRoutes
from mainstay.knowledge.documents.store_routes import StoreRoutes
from mainstay.knowledge.retrieval.ingest import Ingest
from mainstay.knowledge.retrieval.jobs import KINDS, SCHEDULES, handlers
from mainstay.knowledge.retrieval.routes import SearchRoutes
from mainstay.platform.blobs import Blobs
from mainstay.platform.jobs import (
    Duty,
    JobHandler,
    JobProcesses,
    JobRegistry,
    PostgresWakeups,
    Wakeups,
    Worker,
    WorkerLimits,
    measure_depth,
    prune,
    repeat,
)
from mainstay.platform.jobs.isolation.child import JobSystem
from mainstay.platform.jobs.sqs import SqsAddress, SqsLimits, SqsTransport, open_sqs
from mainstay.platform.postgres import Database, PoolLimits, ScopeKey, load_scope_key
from mainstay.platform.postgres.migrations import wait_until_migrated
from mainstay.platform.postgres.posture import require_safe_role
from mainstay.platform.telemetry import configure_logging
from mainstay.product import Product, load_product
from mainstay.schema import migrations

SWEEP_EVERY_S = 30.0
# As long as `mainstay up` lets a preparation take.
MIGRATED_DEADLINE_S = 900.0
PARSERS_MAX = 2
# What a worker starts for a job that must not run in it. Each of these runs one job at a time.
JOB_COMMAND = (sys.executable, "-m", "mainstay.edge.worker.job_child")
JOB_CONNECTIONS_MAX = 3


@dataclass(frozen=True)
class ServerSystem:
    """What the server process serves, and what must hold before it may."""

    database: Database
    routers: Sequence[APIRouter]
    checks: Mapping[str, Callable[[], Awaitable[None]]]
    admission: Admission
    measures: Sequence[Callable[[], Awaitable[None]]] = ()


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncGenerator[ServerSystem]:
    """Open what the server needs; the embedding model loads while the process serves its probes already."""
    async with AsyncExitStack() as stack:
        declared = _declared(open_product(settings))
        database = await _open_database(stack, settings, "server", settings.database_connections_max)
        gateway, embedder = await _open_gateway(stack, settings)
        assistants = _assistants(gateway)
        blobs = open_blobs(settings)
        admission = Admission(database)
        stack.push_async_callback(admission.close)
        sqs = await _open_sqs(stack, settings, database)
        if sqs is not None:
            # Where workers are started for what waits, nobody else may be there to tell of it.
            stack.callback(asyncio.create_task(repeat(sqs.duty, asyncio.Event()), name=sqs.duty.name).cancel)
        ask = Ask(database, gateway)
        stack.push_async_callback(ask.close)

        async def measure_queues() -> None:
            await measure_depth(database)

        yield ServerSystem(
            database=database,
            routers=server_routers(database, gateway, assistants, blobs, ask, admission, declared, settings),
            checks={"database": database.ping, "embedding model": embedder.require_loaded},
            admission=admission,
            measures=(measure_queues,),
        )


def server_routers(
    database: Database,
    gateway: Gateway,
    assistants: Assistants,
    blobs: Blobs,
    ask: Ask,
    admission: Admission,
    declared: Declared,
    settings: Settings,
) -> Sequence[APIRouter]:
    """Return every slice's routes; to make them calls nothing, so that a check can make them of nothing."""
    return [
        FileRoutes(database, blobs, bytes_max=settings.upload_bytes_max).router(),
        StoreRoutes(database).router(),
        BatchRoutes(database).router(),
        ShareRoutes(database).router(),
        SearchRoutes(database, gateway).router(),
        AnswerRoutes(database, ask, assistants).router(),
        ChatRoutes(ask, PlainChat(database, gateway), assistants).router(),
        ModelRoutes(database, gateway, assistants.names()).router(),
        UsageRoutes(database).router(),
        AuditRoutes(database).router(),
        MemberRoutes(database).router(),
        GroupRoutes(database).router(),
        LimitRoutes(database, admission).router(),
        JobRoutes(database, blobs).router(),
        ScheduleRoutes(database, declared).router(),
    ]


@asynccontextmanager
async def worker_system(settings: Settings, on_beat: Callable[[], None]) -> AsyncGenerator[Worker]:
    """Open what a worker process needs, its log among it."""
    configure_logging("worker", level=settings.log_level)
    async with (
        JobProcesses(JOB_COMMAND) as processes,
        open_worker(settings, on_beat=on_beat, processes=processes) as worker,
    ):
        yield worker


@asynccontextmanager
async def job_system() -> AsyncGenerator[JobSystem]:
    """Open what a process for single jobs needs, as its environment, which is its worker's, says."""
    settings = load_settings()
    configure_logging("job", level=settings.log_level)
    async with AsyncExitStack() as stack:
        yield await _open_jobs(stack, settings, open_product(settings), "job", JOB_CONNECTIONS_MAX)


@asynccontextmanager
async def open_worker(
    settings: Settings, *, on_beat: Callable[[], None], processes: JobProcesses | None = None
) -> AsyncGenerator[Worker]:
    """Open what the worker needs; `on_beat` is called at every heartbeat, for a watchdog.

    `processes` know the settings of the environment only, so they are its caller's to give.
    """
    async with AsyncExitStack() as stack:
        product = open_product(settings)
        # Two more than there are slots, so that leases are renewed while every job commits.
        jobs = await _open_jobs(stack, settings, product, "worker", settings.worker_concurrency + 2)

        async def sweep_answers() -> None:
            await answers.sweep(jobs.database)

        async def prune_jobs() -> None:
            await prune(jobs.database, blobs, limits)

        registry, limits, blobs = jobs.registry, jobs.limits, open_blobs(settings)
        schedules = ScheduleClock(jobs.database, _declared(product))
        duties = [Duty("answers.sweep", SWEEP_EVERY_S, sweep_answers), Duty("jobs.prune", limits.prune_s, prune_jobs)]
        duties += schedules.duties()
        sqs = await _open_sqs(stack, settings, jobs.database)
        if sqs is None:
            # A pooler swallows notifications; the worker then finds its jobs by looking for them.
            wakeups = Wakeups() if settings.database_pooled else PostgresWakeups(_require_url(settings))
        else:
            await sqs.check(registry.queues)
            wakeups, limits = sqs.wakeups(registry.queues), replace(limits, poll_s=sqs.poll_s)
            duties.append(sqs.duty)
        yield Worker(
            jobs.database, registry, limits, wakeups=wakeups, duties=duties, on_beat=on_beat, processes=processes
        )


def _of_queues(known: Sequence[JobHandler], wanted: str | None) -> Sequence[JobHandler]:
    """Return the handlers of the queues named in `wanted`, with commas between; of all where it is None."""
    if wanted is None:
        return known
    names = {name.strip() for name in wanted.split(",")}
    queues = sorted({handler.kind.queue for handler in known})
    if unknown := sorted(names.difference(queues)):
        raise InvalidConfiguration(
            f"There is no queue '{unknown[0]}' (--queues, MAINSTAY_WORKER_QUEUES): the queues are {', '.join(queues)}."
        )
    return [handler for handler in known if handler.kind.queue in names]


async def _open_sqs(stack: AsyncExitStack, settings: Settings, database: Database) -> SqsTransport | None:
    """Have what `database` commits announced over SQS, where the settings say so."""
    if settings.job_transport != "sqs" or settings.sqs_url_prefix is None:
        return None
    address = SqsAddress.parse(settings.sqs_url_prefix, settings.aws_region)
    return await stack.enter_async_context(open_sqs(database, address, SqsLimits()))


def open_blobs(settings: Settings) -> Blobs:
    """Return the object store of this machine."""
    return Blobs.in_folder(settings.home / "blobs")


def open_product(settings: Settings) -> Product:
    """Return the product of this machine, one without anything where there is none; raises InvalidProduct."""
    file = find_product(settings)
    product = load_product(file.module, file.folder) if file else Product()
    product.require_apart({kind.name for kind in KINDS}, {schedule.name for schedule in SCHEDULES})
    return product


def open_scope_key(settings: Settings) -> ScopeKey:
    """Return the key that signs the scopes of this system; raises InvalidScopeKey."""
    given = settings.scope_key.get_secret_value() if settings.scope_key else None
    return load_scope_key(given, settings.scope_key_file)


def _declared(product: Product) -> Declared:
    return by_name([*SCHEDULES, *product.schedules])


def _require_url(settings: Settings) -> str:
    if settings.serving_url is None:
        raise InvalidConfiguration("DATABASE_URL is not set: start everything with `mainstay up`.")
    return settings.serving_url


async def _open_database(stack: AsyncExitStack, settings: Settings, process: str, connections_max: int) -> Database:
    url = _require_url(settings)
    await require_safe_role(url)
    scope_key = open_scope_key(settings)
    await wait_until_migrated(url, migrations(), scope_key=scope_key, deadline_s=MIGRATED_DEADLINE_S)
    limits = PoolLimits(connections_max=connections_max, pooled=settings.database_pooled)
    database = await Database.connect(url, limits, scope_key=scope_key, application=f"mainstay-{process}")
    stack.push_async_callback(database.close)
    return database


async def _open_jobs(
    stack: AsyncExitStack, settings: Settings, product: Product, process: str, connections_max: int
) -> JobSystem:
    database = await _open_database(stack, settings, process, connections_max)
    gateway, _ = await _open_gateway(stack, settings)
    parsers = await stack.enter_async_context(ParserPool(ParserLimits(), children_max=PARSERS_MAX))
    ingest = Ingest(database, open_blobs(settings), parsers, gateway)
    known = _of_queues([*handlers(ingest), *product.jobs], settings.worker_queues)
    served = {handler.kind.queue for handler in known}
    rules = [rule for rule in product.queues if rule.name in served]
    return JobSystem(database, JobRegistry(known, rules), WorkerLimits(concurrency=settings.worker_concurrency))


async def _open_gateway(stack: AsyncExitStack, settings: Settings) -> tuple[Gateway, LoadingModel]:
    """Return the gateway with the models that the settings name, and the embedding model, which loads behind it."""
    embedder = LoadingModel(
        name=MiniLm.name,
        provider=MiniLm.provider,
        dimensions=MiniLm.dimensions,
        load=lambda: MiniLm(settings.home / "models"),
    )
    stack.push_async_callback(embedder.close)
    embedder.start()
    chat_models: list[ChatModel] = [Extractive(embedder)]
    if settings.model_url and settings.model_name:
        key = settings.model_key.get_secret_value() if settings.model_key else None
        remote = OpenAiCompatible(settings.model_url, settings.model_name, key)
        stack.push_async_callback(remote.close)
        chat_models.insert(0, remote)
    return Gateway({model.name: model for model in chat_models}, embedder, price_nanos), embedder


def _assistants(gateway: Gateway) -> Assistants:
    """Return the assistants: the default one is answered by the model that the settings name, else by quotes alone."""
    chat = gateway.chat_names()[0]
    return Assistants({DEFAULT: Assistant(name=DEFAULT, prompt="answer", model=chat)})
