"""What a product that is built on Mainstay may use, and how its module is loaded.

A product module has one object `product = Product(...)` with its jobs and schedules; `mainstay.toml` names the module.
What is not handed on here may change with any release. Tables of a product's own are not part of this yet: what its
jobs write they write through what stands here.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstay.control.audit.service import record as record_audit
from mainstay.control.metering.models import Usage
from mainstay.control.metering.service import summarise as summarise_usage
from mainstay.kernel.errors import MainstayError
from mainstay.platform.jobs import (
    Children,
    DeadJob,
    JobHandler,
    JobKind,
    JobRun,
    Queue,
    Reject,
    Retry,
    Schedule,
    Throttled,
    enqueue,
)
from mainstay.platform.postgres import ReadTx, WriteTx

__all__ = [
    "Children",
    "DeadJob",
    "InvalidProduct",
    "JobHandler",
    "JobKind",
    "JobRun",
    "Product",
    "Queue",
    "ReadTx",
    "Reject",
    "Retry",
    "Schedule",
    "Throttled",
    "Usage",
    "WriteTx",
    "enqueue",
    "load_product",
    "record_audit",
    "summarise_usage",
]

OBJECT = "product"


class InvalidProduct(MainstayError):
    """The product cannot be loaded, or declares what cannot be; nothing starts with half a product."""

    kind = "invalid"
    code = "invalid_product"


@dataclass(frozen=True)
class Product:
    """The jobs that a product's workers run, when they are due by the clock, and the rules of their queues."""

    jobs: Sequence[JobHandler[Any]] = ()
    schedules: Sequence[Schedule[Any]] = ()
    queues: Sequence[Queue] = ()

    def __post_init__(self) -> None:
        for what, names in (("jobs", self.job_names), ("schedules", self.schedule_names)):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"Product: two {what} are named '{twice[0]}'; give one another name")
        for schedule in self.schedules:
            if schedule.kind.name not in self.job_names:
                raise ValueError(
                    f"Product: the schedule '{schedule.name}' makes '{schedule.kind.name}' jobs, which no handler in"
                    " `jobs` runs; add a JobHandler for that kind"
                )

        queues = {handler.kind.queue for handler in self.jobs}
        for rule in self.queues:
            if rule.name not in queues:
                raise ValueError(
                    f"Product: the queue '{rule.name}' has rules, and no handler in `jobs` is for it; strike the rules"
                )

    @property
    def job_names(self) -> Sequence[str]:
        """Return the names of the kinds of job that are handled."""
        return [handler.kind.name for handler in self.jobs]

    @property
    def schedule_names(self) -> Sequence[str]:
        """Return the names of the schedules."""
        return [schedule.name for schedule in self.schedules]

    def require_apart(self, job_names: Collection[str], schedule_names: Collection[str]) -> None:
        """Raise InvalidProduct for a name that Mainstay itself has."""
        for what, own, taken in (
            ("job", self.job_names, job_names),
            ("schedule", self.schedule_names, schedule_names),
        ):
            for name in own:
                if name in taken:
                    raise InvalidProduct(
                        f"The product's {what} '{name}' has the name of one of Mainstay's own:"
                        " begin its name with that of the product."
                    )


def load_product(module: str, folder: Path) -> Product:
    """Import `module`, which is looked for in `folder` first, and return its product; raises InvalidProduct."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        loaded = importlib.import_module(module)
    except Exception as error:
        # Whatever the module does when it is imported, its author reads one sentence and no traceback of ours.
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        reason = f"it is not in {folder}, nor installed" if missing else f"{type(error).__name__}: {error}"
        raise InvalidProduct(f"The product module '{module}' cannot be loaded: {reason}.") from error
    product = getattr(loaded, OBJECT, None)
    if not isinstance(product, Product):
        raise InvalidProduct(
            f"The product module '{module}' has no `{OBJECT} = Product(...)`,"
            " by which its jobs and schedules are found."
        )
    return product
