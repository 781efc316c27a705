"""`mainstay ingest`: files go in, and the command waits until each has ended, well or with a reason."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, console, errors, print_json, print_table
from mainstay.sdk import ApiError, Client

STORE_DEFAULT = "documents"
UPLOADS_AT_ONCE = 4
# How many files one request asks after.
DIGESTS_AT_ONCE = 500
POLL_S = 0.25
# Without a document more in a terminal state for this long, waiting ends; the work itself goes on.
STALL_S = 900.0
# How long a restart of the server or of the database may take; nothing that is sent here is done twice.
PATIENCE_S = 30.0
EXIT_FAILED, EXIT_STALLED, EXIT_NOTHING = 1, 5, 4


@dataclass(frozen=True)
class Ingested:
    """How one file ended."""

    path: str
    status: str
    reason: str | None = None
    reason_code: str | None = None
    file_id: str | None = None
    document_id: str | None = None
    version: int | None = None
    pages: int | None = None
    chunks: int | None = None
    unchanged: bool = False


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders; a folder goes in whole.")],
    store: Annotated[str, typer.Option(help="The store, by name or id; made when missing.")] = STORE_DEFAULT,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a file was not taken.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Add documents to a store, and wait until every file has ended, well or with a reason."""
    files = list(_collect(paths))
    if not files:
        errors.print(f"There is no file in {', '.join(map(str, paths))}.")
        raise typer.Exit(EXIT_NOTHING)
    with connect() as client:
        target = client.store(store, create=True) or {}
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=errors,
        )
        with progress:
            known = _find_known(client, target["id"], files)
            changed = [file for file in files if file[1] not in known]
            sent = known | _send_all(client, target["id"], changed, progress)
            ended = _wait(client, target["id"], sent, progress)
    if as_json:
        counts = {
            status: sum(one.status == status for one in ended) for status in ("completed", "failed", "in_progress")
        }
        unchanged = sum(one.unchanged for one in ended)
        print_json(
            {"store_id": target["id"], "store": target["name"], "total": len(ended), **counts, "unchanged": unchanged,
             "files": [asdict(one) for one in ended]}
        )  # fmt: skip
    else:
        _print(target["name"], ended)
    if any(one.status == "in_progress" for one in ended):
        raise typer.Exit(EXIT_STALLED)
    if strict and any(one.status != "completed" for one in ended):
        raise typer.Exit(EXIT_FAILED)


def _collect(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file with the name by which its document is known: its path below the folder that was given."""
    for given in paths:
        if given.is_dir():
            for path in sorted(given.rglob("*")):
                hidden = any(part.startswith(".") for part in path.relative_to(given).parts)
                if path.is_file() and not hidden:
                    yield path, path.relative_to(given).as_posix()
        elif given.is_file():
            yield given, given.name
        else:
            errors.print(f"There is no file or folder {given}.")
            raise typer.Exit(EXIT_NOTHING)


def _find_known(client: Client, store_id: str, files: Sequence[tuple[Path, str]]) -> dict[str, Ingested]:
    """Return the files that the store has as they are here, so that only what changed is uploaded."""
    digests: dict[str, str] = {}
    for path, external_id in files:
        # What cannot be read is told of where it is sent.
        with suppress(OSError), path.open("rb") as file:
            digests[external_id] = file_digest(file, "sha256").hexdigest()
    asked = [{"external_id": external_id, "sha256": digest} for external_id, digest in digests.items()]
    known: dict[str, Ingested] = {}
    for start in range(0, len(asked), DIGESTS_AT_ONCE):
        body = {"files": asked[start : start + DIGESTS_AT_ONCE]}
        found = client.call("POST", f"/v1/vector_stores/{store_id}/known_files", patience_s=PATIENCE_S, json=body)
        known |= {one["external_id"]: _state(one["external_id"], one) for one in found["data"]}
    return known


def _send_all(
    client: Client, store_id: str, files: Sequence[tuple[Path, str]], progress: Progress
) -> dict[str, Ingested]:
    task = progress.add_task("uploading", total=len(files))

    def send(file: tuple[Path, str]) -> Ingested:
        done = _send(client, store_id, *file)
        progress.advance(task)
        return done

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        return {one.path: one for one in pool.map(send, files)}


def _send(client: Client, store_id: str, path: Path, external_id: str) -> Ingested:
    """Upload one file and put it into the store; a file that is refused does not stop the others."""
    try:
        file_id = client.upload(path, patience_s=PATIENCE_S)["id"]
        body = {"file_id": file_id, "external_id": external_id}
        added = client.call("POST", f"/v1/vector_stores/{store_id}/files", patience_s=PATIENCE_S, json=body)
        return _state(external_id, added)
    except ApiError as refused:
        if refused.status in (401, 403):
            raise
        return Ingested(external_id, "failed", reason=refused.message, reason_code=refused.code)
    except OSError as error:
        return Ingested(
            external_id, "failed", reason=f"The file cannot be read: {error.strerror}.", reason_code="unreadable"
        )


def _state(path: str, added: dict[str, Any]) -> Ingested:
    error = added["last_error"] or {}
    return Ingested(
        path=path,
        status=added["status"],
        reason=error.get("message"),
        reason_code=error.get("code"),
        file_id=added["id"],
        document_id=added["document_id"],
        version=added["version"],
        pages=added["page_count"],
        chunks=added["chunk_count"],
        unchanged=added["unchanged"],
    )


def _wait(client: Client, store_id: str, sent: dict[str, Ingested], progress: Progress) -> list[Ingested]:
    """Return how every file ended; looks at those still in progress until none is."""
    task = progress.add_task("ingesting", total=len(sent))
    last_change_s, left_before = time.monotonic(), len(sent) + 1
    while True:
        waiting = {one.document_id: path for path, one in sent.items() if one.status == "in_progress"}
        progress.update(task, completed=len(sent) - len(waiting))
        if len(waiting) < left_before:
            last_change_s, left_before = time.monotonic(), len(waiting)
        if not waiting or time.monotonic() - last_change_s > STALL_S:
            return list(sent.values())
        time.sleep(POLL_S)
        files = f"/v1/vector_stores/{store_id}/files"
        busy = {one["document_id"] for one in client.pages(files, patience_s=PATIENCE_S, filter="in_progress")}
        for document_id in waiting.keys() - busy:
            path = waiting[document_id]
            fresh = client.call("GET", f"{files}/{sent[path].file_id}", patience_s=PATIENCE_S)
            sent[path] = replace(_state(path, fresh), unchanged=False)


def _print(store: str, ended: Sequence[Ingested]) -> None:
    refused = [one for one in ended if one.status != "completed"]
    unchanged = sum(one.unchanged for one in ended)
    if refused:
        print_table(
            ["file", "state", "reason"], [(one.path, one.status, one.reason) for one in refused], folded="reason"
        )
        console.print()
    done = len(ended) - len(refused)
    console.print(
        f"{done} of {len(ended)} files are in the store '{store}' ({unchanged} unchanged), {len(refused)} are not."
    )
