"""The adapter of boto3: the five calls of SQS that a transport needs, off the event loop and each with a deadline."""

import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar

from mainstay.kernel.errors import Invalid, MainstayError, Unavailable
from mainstay.platform.jobs.sqs.address import SqsAddress
from mainstay.platform.jobs.sqs.calls import call_in_thread
from mainstay.platform.jobs.sqs.limits import BATCH_MAX, SqsLimits
from mainstay.platform.jobs.sqs.metrics import CALLS
from mainstay.platform.postgres import outside_transaction

Result = TypeVar("Result")

# What waiting does not cure: the account, the key or the queue is not as the settings say. Parts of codes, because SQS
# writes some of them with a prefix.
_REFUSALS = (
    "NonExistentQueue",
    "QueueDoesNotExist",
    "AccessDenied",
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "InvalidAddress",
    "ExpiredToken",
)


class SqsUnavailable(Unavailable):
    """SQS does not answer, or not now."""

    code = "sqs_unavailable"


class SqsRefused(Invalid):
    """SQS will not do this, however often it is asked: the message says what to set."""

    code = "sqs_refused"


def require_boto3() -> None:
    """Raise SqsRefused unless boto3 is installed; nothing is imported."""
    if find_spec("boto3") is None:
        raise SqsRefused("The transport sqs needs boto3: install Mainstay with its extra `aws`.")


class SqsClient:
    """Calls of SQS by the names of queues of jobs. They raise SqsUnavailable or SqsRefused.

    boto3 finds the credentials where it always does: the environment, a profile, the role of the task.
    """

    def __init__(self, address: SqsAddress, limits: SqsLimits) -> None:
        require_boto3()
        self._address = address
        self._limits = limits
        self._making = threading.Lock()
        self._clients: dict[float, Any] = {}

    async def send(self, queue: str, delays_s: Sequence[int]) -> int:
        """Send one wake-up for each delay, at most BATCH_MAX, and return how many were refused."""
        entries = [
            {"Id": str(number), "MessageBody": queue, "DelaySeconds": delay_s}
            for number, delay_s in enumerate(delays_s[:BATCH_MAX])
        ]
        answer = await self._call("send_message_batch", queue, Entries=entries)
        return len(answer.get("Failed", ()))

    async def receive(self, queue: str, count_max: int) -> Sequence[str]:
        """Wait for messages and return their receipts. What they say does not matter: they came by this queue."""
        answer = await self._call(
            "receive_message",
            queue,
            waits_s=self._limits.wait_s,
            MaxNumberOfMessages=min(count_max, BATCH_MAX),
            WaitTimeSeconds=self._limits.wait_s,
            VisibilityTimeout=self._limits.visibility_s,
        )
        return [message["ReceiptHandle"] for message in answer.get("Messages", ())]

    async def hide(self, queue: str, receipts: Sequence[str], for_s: int) -> Sequence[str]:
        """Keep messages hidden for so long from now, 0 to show them; return those that SQS has taken back."""
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": for_s}
            for number, receipt in enumerate(receipts)
        ]
        answer = await self._call("change_message_visibility_batch", queue, Entries=entries)
        return [receipts[int(failed["Id"])] for failed in answer.get("Failed", ()) if failed.get("SenderFault")]

    async def delete(self, queue: str, receipts: Sequence[str]) -> int:
        """Delete messages, and return how many SQS did not."""
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        answer = await self._call("delete_message_batch", queue, Entries=entries)
        return len(answer.get("Failed", ()))

    async def count(self, queue: str) -> int:
        """Return about how many messages wait."""
        wanted = "ApproximateNumberOfMessages"
        answer = await self._call("get_queue_attributes", queue, AttributeNames=[wanted])
        return int(answer["Attributes"][wanted])

    def close(self) -> None:
        """Close what connections there are."""
        with self._making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    async def _call(self, name: str, queue: str, *, waits_s: float = 0, **given: object) -> Mapping[str, Any]:
        outside_transaction("sqs")
        url = self._address.url(queue)

        def call() -> Mapping[str, Any]:
            return self._translated(queue, lambda: getattr(self._client(waits_s), name)(QueueUrl=url, **given))

        try:
            answer = await call_in_thread(call, name=f"sqs:{name}", deadline_s=waits_s + self._limits.call_s)
        except TimeoutError:
            CALLS.labels(name, "timeout").inc()
            raise SqsUnavailable(f"SQS did not answer {name} for '{queue}' in time.") from None
        except MainstayError as error:
            CALLS.labels(name, error.code).inc()
            raise
        CALLS.labels(name, "done").inc()
        return answer

    def _translated(self, queue: str, call: Callable[[], Result]) -> Result:
        # Imported here, as below: whoever does not use SQS must not pay 0.4 s for it.
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            return call()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            sentence = f"SQS refuses the queue at {self._address.url(queue)}: {error}"
            if any(part in code for part in _REFUSALS):
                raise SqsRefused(f"{sentence} Create it, or correct MAINSTAY_SQS_URL_PREFIX or the role.") from None
            raise SqsUnavailable(sentence) from None
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise SqsRefused(
                f"No credentials for SQS were found ({error}): give the process a role,"
                " or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except (BotoCoreError, OSError) as error:
            raise SqsUnavailable(f"SQS does not answer at {self._address.endpoint}: {error}") from None

    def _client(self, waits_s: float) -> Any:
        """Return the client for calls that wait so long at the other end; clients may be used by several threads."""
        with self._making:
            if waits_s not in self._clients:
                # Imported here for the same reason.
                from boto3.session import Session
                from botocore.config import Config

                self._clients[waits_s] = Session().client(
                    "sqs",
                    region_name=self._address.region,
                    endpoint_url=self._address.endpoint,
                    config=Config(
                        connect_timeout=self._limits.connect_s,
                        read_timeout=waits_s + self._limits.response_s,
                        # A receive is repeated anyway; the others get a second chance within their deadline.
                        retries={"mode": "standard", "total_max_attempts": 1 if waits_s else 2},
                        max_pool_connections=32,
                        tcp_keepalive=True,
                    ),
                )
            return self._clients[waits_s]
