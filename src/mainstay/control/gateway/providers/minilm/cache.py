"""The built graph on disk: made once, shared by all processes of a machine, checked at every start."""

import os
import time
from hashlib import file_digest, sha256
from importlib.resources import files
from pathlib import Path

from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.control.gateway.providers.minilm.weights import (
    WEIGHTS_SHA256,
    load_tensors,
    model_folder,
    require_digest,
)
from mainstay.platform.processes.files import FileLock

BUILD_DEADLINE_S = 120.0
_POLL_S = 0.05


def built_graph(models: Path, name: str) -> Path:
    """Return the path of the quantised graph under `models`, built now if it is missing or not what was written.

    Of several processes that start at once one builds, and the others wait for it.
    """
    folder = models / f"{name}-{_recipe()[:12]}"
    graph = folder / "model.onnx"
    if _is_whole(graph):
        return graph
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _build_locked(folder, graph)
    except OSError as error:
        raise ModelUnusable(
            f"The embedding model cannot be built in {folder}: {error.strerror}. It needs 25 MB there; set MAINSTAY_HOME to another folder."
        ) from error


def _build_locked(folder: Path, graph: Path) -> Path:
    lock = FileLock(folder / "lock")
    deadline = time.monotonic() + BUILD_DEADLINE_S
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise ModelUnusable(
                f"Another process has been building the embedding model in {folder} for {BUILD_DEADLINE_S:.0f} s: stop it."
            )
        time.sleep(_POLL_S)
    try:
        if not _is_whole(graph):
            _build(graph)
    finally:
        lock.release()
    return graph


def _build(graph: Path) -> None:
    # Imported here because only a build needs onnx, which takes 0.2 s and 40 MiB.
    from mainstay.control.gateway.providers.minilm.graph import save_graph

    weights = model_folder() / "model.safetensors"
    require_digest(weights, WEIGHTS_SHA256)
    draft = graph.with_suffix(".draft")
    save_graph(load_tensors(weights), draft)
    with draft.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    draft.replace(graph)
    # Last, so that a crash in between leaves a digest that does not fit, and the next start builds again.
    _digest_path(graph).write_text(digest, encoding="ascii")


def _is_whole(graph: Path) -> bool:
    try:
        with graph.open("rb") as file:
            return file_digest(file, "sha256").hexdigest() == _digest_path(graph).read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _digest_path(graph: Path) -> Path:
    return graph.with_suffix(".sha256")


def _recipe() -> str:
    """Return a digest of all that decides what the graph contains, so that a change of code never meets an old file."""
    source = files(__package__).joinpath("graph.py").read_bytes()
    return sha256(WEIGHTS_SHA256.encode() + source).hexdigest()
