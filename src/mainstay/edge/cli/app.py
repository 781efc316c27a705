"""The command line: one file for each group of commands, errors as one sentence, exit codes that scripts can trust."""

import sys
from collections.abc import Callable
from typing import Final

import typer

from mainstay.edge.cli import admin, ingest, knowledge, limits, members, records, schedules, system, watch, worker
from mainstay.edge.cli.output import errors
from mainstay.kernel.errors import Kind, MainstayError
from mainstay.platform.telemetry.logs import configure_logging
from mainstay.sdk import ApiError, Unreachable

EXIT_CODES: Final[dict[Kind, int]] = {
    "invalid": 2,
    "unauthenticated": 3,
    "denied": 3,
    "not_found": 4,
    "conflict": 6,
    "exhausted": 7,
    "unavailable": 8,
}
_STATUS_CODES: Final[dict[int, int]] = {400: 2, 401: 3, 403: 3, 404: 4, 409: 6, 413: 2, 429: 7, 503: 8}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Mainstay: cited, metered, audited answers from your documents.",
)
for command in (
    system.up,
    system.down,
    system.status,
    worker.worker,
    ingest.ingest,
    knowledge.search,
    knowledge.ask,
    knowledge.explain,
    records.usage,
    records.audit,
):
    app.command()(command)
app.add_typer(watch.jobs, name="jobs")
app.add_typer(admin.tenants, name="tenants")
app.add_typer(admin.keys, name="keys")
app.add_typer(limits.plans, name="plans")
app.add_typer(limits.limits, name="limits")
app.add_typer(admin.operators, name="operators")
app.add_typer(members.principals, name="principals")
app.add_typer(members.groups, name="groups")
app.add_typer(schedules.schedules, name="schedules")


def main() -> None:
    """Run one command."""
    guarded(app)


def guarded(run: Callable[[], object]) -> None:
    """Run something; an error of ours or of the server is one sentence on standard error and an exit code.

    What is logged meanwhile goes to standard error, too: standard output holds the result alone.
    """
    configure_logging("cli", level="WARNING")
    try:
        run()
    except MainstayError as error:
        errors.print(error.message)
        sys.exit(EXIT_CODES[error.kind])
    except ApiError as refused:
        errors.print(f"{refused.message} (request {refused.request_id})")
        sys.exit(_STATUS_CODES.get(refused.status, 1))
    except Unreachable as error:
        errors.print(f"Nothing answers at {error}: start the system with `mainstay up`.")
        sys.exit(EXIT_CODES["unavailable"])


if __name__ == "__main__":
    main()
