"""Where the queues are: one URL for each queue of jobs, made by whoever sets up the account and not by us."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from mainstay.kernel.errors import Invalid

_REGION = re.compile(r"(?:^|\.)sqs\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
_NAME_CHARS_MAX = 80
EXAMPLE = "https://sqs.eu-central-1.amazonaws.com/123456789012/mainstay-"


class InvalidSqsAddress(Invalid):
    """The prefix of the queues' URLs, or the region, cannot be right."""

    code = "invalid_sqs_address"


@dataclass(frozen=True)
class SqsAddress:
    """What the URLs of all queues begin with, and the region whose signature they want."""

    url_prefix: str
    region: str

    @classmethod
    def parse(cls, url_prefix: str, region: str | None) -> Self:
        """Return the address; the region is read from the URL where it stands there. Raises InvalidSqsAddress."""
        parts = urlsplit(url_prefix)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.count("/") < 2 or parts.query:
            raise InvalidSqsAddress(
                f"'{url_prefix}' is not what the URLs of SQS queues begin with, for example {EXAMPLE}"
                " (MAINSTAY_SQS_URL_PREFIX)."
            )
        found = _REGION.search(parts.netloc)
        region = found[1] if found else region
        if not region:
            raise InvalidSqsAddress(f"'{url_prefix}' names no region of AWS: set AWS_REGION, for example eu-central-1.")
        return cls(url_prefix, region)

    @property
    def endpoint(self) -> str:
        """Return where calls go."""
        parts = urlsplit(self.url_prefix)
        return f"{parts.scheme}://{parts.netloc}"

    def url(self, queue: str) -> str:
        """Return the URL of the queue of messages that belongs to a queue of jobs.

        SQS allows no dot in a name, and our names have no hyphen. Raises InvalidSqsAddress for one that is too long.
        """
        url = self.url_prefix + queue.replace(".", "-")
        name = url.rsplit("/", 1)[-1]
        if len(name) > _NAME_CHARS_MAX:
            raise InvalidSqsAddress(
                f"The SQS queue '{name}' has {len(name)} characters, not at most {_NAME_CHARS_MAX}: shorten the prefix."
            )
        return url
