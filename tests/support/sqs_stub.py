"""An SQS that speaks Amazon's wire format over a socket and behaves as badly as its documentation allows, and worse.

It says yes to what it then loses: sends, deletes, prolonged visibility. It delivers twice, late, and in any order.
"""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong, as fractions of calls or messages."""

    doubled: float = 0.05
    late: float = 0.05
    lost_sends: float = 0.02
    lost_deletes: float = 0.01
    # Prolonged, SQS says, and shows the message to the next who asks.
    lost_visibility: float = 0.05
    reordered: bool = True


NONE = Faults(0, 0, 0, 0, 0, reordered=False)


@dataclass
class StubMessage:
    body: str
    visible_at: float
    id: str = field(default_factory=lambda: str(uuid4()))
    receipt: str | None = None
    receives: int = 0


class Refusal(Exception):
    """An error of the wire format."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StubSqs:
    """Queues in memory. Made by `running_stub`."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self.calls: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.address = ""
        # Seconds by which an answer is late, for tests of deadlines.
        self.answers_after_s = 0.0
        self._random = random.Random(seed)  # noqa: S311  (a drill that can be drilled again)
        self._queues: dict[str, list[StubMessage]] = {}
        self._changed = threading.Condition()

    def create(self, name: str) -> None:
        with self._changed:
            self._queues[name] = []

    def has(self, name: str) -> bool:
        with self._changed:
            return name in self._queues

    def depth(self, name: str) -> tuple[int, int]:
        """Return how many messages wait, and how many are hidden."""
        now = time.monotonic()
        with self._changed:
            visible = sum(message.visible_at <= now for message in self._queues[name])
            return visible, len(self._queues[name]) - visible

    def bodies(self, name: str) -> set[str]:
        with self._changed:
            return {message.body for message in self._queues[name]}

    def answer(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(self.answers_after_s)
        with self._changed:
            self.calls[action] += 1
            name = request["QueueUrl"].rsplit("/", 1)[-1]
            if name not in self._queues:
                raise Refusal("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
            return getattr(self, f"_{action}")(self._queues[name], request)

    def _happens(self, fault: str) -> bool:
        happens = self._random.random() < getattr(self.faults, fault)
        self.done[fault] += happens
        return happens

    def _SendMessageBatch(self, queue: list[StubMessage], request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        sent = []
        for entry in _entries(request):
            body = entry["MessageBody"]
            visible_at = time.monotonic() + entry.get("DelaySeconds", 0)
            if self._happens("late"):
                visible_at += self._random.uniform(0, 1)
            copies = 0 if self._happens("lost_sends") else 2 if self._happens("doubled") else 1
            queue.extend(StubMessage(body, visible_at) for _ in range(copies))
            md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
            sent.append({"Id": entry["Id"], "MessageId": str(uuid4()), "MD5OfMessageBody": md5})
        self._changed.notify_all()
        return {"Successful": sent, "Failed": []}

    def _ReceiveMessage(self, queue: list[StubMessage], request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        count_max = request.get("MaxNumberOfMessages", 1)
        if not 1 <= count_max <= 10:
            raise Refusal("com.amazonaws.sqs#InvalidParameterValue", f"MaxNumberOfMessages is {count_max}")
        end = time.monotonic() + request.get("WaitTimeSeconds", 0)
        while True:
            now = time.monotonic()
            visible = [message for message in queue if message.visible_at <= now]
            if visible or now >= end:
                break
            soonest = min((message.visible_at for message in queue), default=end)
            self._changed.wait(min(soonest, end) - now)
        if self.faults.reordered:
            self._random.shuffle(visible)
        received = visible[:count_max]
        for message in received:
            message.receives += 1
            message.receipt = str(uuid4())
            message.visible_at = now + request.get("VisibilityTimeout", 30)
        return {
            "Messages": [
                {"MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body}
                for message in received
            ]
        }

    def _ChangeMessageVisibilityBatch(  # noqa: N802
        self, queue: list[StubMessage], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        done, failed = [], []
        now = time.monotonic()
        for entry in _entries(request):
            message = _find(queue, entry["ReceiptHandle"])
            if message is None or message.visible_at <= now:
                failed.append({"Id": entry["Id"], "SenderFault": True, "Code": "MessageNotInflight"})
                continue
            message.visible_at = now if self._happens("lost_visibility") else now + entry["VisibilityTimeout"]
            done.append({"Id": entry["Id"]})
        self._changed.notify_all()
        return {"Successful": done, "Failed": failed}

    def _DeleteMessageBatch(self, queue: list[StubMessage], request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        done = []
        for entry in _entries(request):
            message = _find(queue, entry["ReceiptHandle"])
            # As SQS does for an old receipt: it says yes, and the message stays.
            if message is not None and not self._happens("lost_deletes"):
                queue.remove(message)
            done.append({"Id": entry["Id"]})
        return {"Successful": done, "Failed": []}

    def _GetQueueAttributes(self, queue: list[StubMessage], _: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        now = time.monotonic()
        return {"Attributes": {"ApproximateNumberOfMessages": str(sum(one.visible_at <= now for one in queue))}}


def _entries(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = request["Entries"]
    if not 1 <= len(entries) <= 10:
        raise Refusal("com.amazonaws.sqs#TooManyEntriesInBatchRequest", f"{len(entries)} entries")
    return entries


def _find(queue: list[StubMessage], receipt: str) -> StubMessage | None:
    return next((message for message in queue if message.receipt == receipt), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: StubSqs

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
        try:
            self._reply(200, self.stub.answer(action, request))
        except Refusal as refusal:
            self._reply(400, {"__type": refusal.code, "message": refusal.message})

    def _reply(self, status: int, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing of each call."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Long polls of workers that were killed are not waited for.
    block_on_close = False


@contextmanager
def running_stub(faults: Faults = Faults(), seed: int = 0) -> Iterator[StubSqs]:
    stub = StubSqs(faults, seed)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    stub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
