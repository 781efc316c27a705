"""Nothing of a tenant stays in a process where another tenant could get it: every cache is declared (goal S.T9)."""

import ast

import pytest

from tests.isolation.memory import kept, kept_in_package

CONSTANT = "filled while the module is imported, or from files of ours"
PROCESS = "tasks and children of this process; it holds no text"
CHILDREN = "children, each of which parses one document after the other"
ONE = "one object for each request, transaction, document or answer, which ends with it"
COUNTS = "what is left of the limits of tenants, principals and keys, by their ids; it holds no text"
MESSAGES = "names of queues, receipts of messages and ids of jobs; it holds no text"
COUNTERS = "counters by names of queues, kinds and outcomes from the code"
DECLARED = {
    "control/limits/admission.py: Admission._reached": COUNTS,
    "control/limits/admission.py: Admission._waiting": COUNTS,
    "control/limits/admission.py: _KnownKeys._keys": "ids by the digest of a key, which is proved anew",
    "control/limits/leases.py: Leases._buckets": COUNTS,
    "control/limits/leases.py: Leases._held": COUNTS,
    "control/limits/leases.py: Leases._keyless_limits": COUNTS,
    "control/gateway/providers/minilm/graph.py: Graph._constants": CONSTANT,
    "control/gateway/providers/minilm/graph.py: Graph._nodes": CONSTANT,
    "edge/server/health.py: Readiness.missing": ONE,
    "edge/server/operations.py: GuardedOperations._by_method": CONSTANT,
    "edge/server/receipt.py: BodyReceipt._again": ONE,
    "edge/server/room.py: Room._waiting": PROCESS,
    "edge/up/children.py: Child._environment": PROCESS,
    "edge/up/children.py: RestartBudget._ends_s": PROCESS,
    "edge/up/stopping.py: StopSignals._before": PROCESS,
    "edge/up/supervisor.py: Supervisor._children": PROCESS,
    "kernel/clock.py: Stopwatch.stages_ms": ONE,
    "knowledge/answers/ask.py: Ask._settling": PROCESS,
    "knowledge/answers/ask.py: _Writing._citations": ONE,
    "knowledge/answers/ask.py: _Writing._text": ONE,
    "knowledge/answers/stream.py: ResponseStream._citations": ONE,
    "knowledge/answers/stream.py: ResponseStream._text": ONE,
    "knowledge/documents/chunking.py: _splitter": "splitters by their limits; none keeps what it has split",
    "knowledge/documents/parsers/builder.py: DocumentBuilder._headings": ONE,
    "knowledge/documents/parsers/builder.py: DocumentBuilder._pages": ONE,
    "knowledge/documents/parsers/builder.py: DocumentBuilder._parts": ONE,
    "knowledge/documents/parsers/generic_xml.py: _Reader._open": ONE,
    "knowledge/documents/parsers/generic_xml.py: _Reader._text": ONE,
    "knowledge/documents/parsers/html_reader.py: HtmlReader._inline": ONE,
    "knowledge/documents/parsers/html_reader.py: HtmlReader._lists": ONE,
    "knowledge/documents/parsers/html_reader.py: HtmlReader._tables": ONE,
    "knowledge/documents/parsers/html_reader.py: HtmlReader.blocks": ONE,
    "knowledge/documents/parsing.py: ParserPool._children": CHILDREN,
    "knowledge/documents/parsing.py: ParserPool._idle": CHILDREN,
    "knowledge/retrieval/languages.py: _WORD_LANGUAGES": CONSTANT,
    "platform/jobs/acknowledgements.py: Acknowledgements._waiting": "ids and fences of jobs whose end is being written",
    "platform/jobs/depth.py: _TOLD": "names of queues",
    "platform/jobs/isolation/pool.py: JobProcesses._ending": CHILDREN,
    "platform/jobs/isolation/pool.py: JobProcesses._idle": CHILDREN,
    "platform/jobs/lines.py: Lines._places": "ids and times by which claims go on; the claim decides what is read",
    "platform/jobs/metrics.py: runs": COUNTERS,
    "platform/jobs/metrics.py: seconds": COUNTERS,
    "platform/jobs/registry.py: JobRegistry._handlers": CONSTANT,
    "platform/jobs/sqs/announcing.py: Announcer._pending": MESSAGES,
    "platform/jobs/sqs/client.py: SqsClient._clients": "clients of boto3 by how long a call waits",
    "platform/jobs/sqs/held.py: HeldMessages._done": MESSAGES,
    "platform/jobs/sqs/held.py: HeldMessages._messages": MESSAGES,
    "platform/jobs/sqs/held.py: HeldMessages._of_job": MESSAGES,
    "platform/jobs/worker.py: Worker._running": PROCESS,
    "platform/postgres/database.py: Database._listeners": PROCESS,
    "platform/postgres/safe_versions.py: safe_versions": CONSTANT,
    "platform/postgres/transactions.py: KeyholeTx._notes": ONE,
    "platform/postgres/transactions.py: _open_transaction": "the kind of the transaction that a task has open",
    "platform/telemetry/logs.py: _fields_of_task": "the ids of the job that a task runs; a task runs one",
    "platform/text/words.py: _key": "single words; what comes back is made of the word that is asked for",
    "prompts/__init__.py: load_prompt": CONSTANT,
}
PLANTED = {
    "a memoised function": "from functools import cache\n@cache\ndef answer(question): ...",
    "a bounded one": "import functools\n@functools.lru_cache(maxsize=10)\ndef answer(question): ...",
    "a dictionary of the module": "answers: dict[str, str] = {}",
    "a container of a class": "class Ask:\n    answers = OrderedDict()",
    "a container of an object": "class Ask:\n    def __init__(self):\n        self._answers: dict[str, str] = {}",
    "a default that fills": "def ask(question, answers={}): ...",
    "a wrapped function": "answer = lru_cache(10)(ask)",
    "a context": "answers = ContextVar('answers', default=None)",
}


def test_what_processes_keep_is_declared() -> None:
    found = kept_in_package()
    assert sorted(set(found) - DECLARED.keys()) == [], "declare why nothing of a tenant comes back from it"
    assert sorted(DECLARED.keys() - set(found)) == [], "it is gone: strike it"
    assert len(found) > 20


@pytest.mark.parametrize("code", PLANTED.values(), ids=PLANTED)
def test_new_cache_is_noticed(code: str) -> None:
    assert list(kept(ast.parse(code)))
