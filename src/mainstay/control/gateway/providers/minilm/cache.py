"""The built graph on disk: made once, shared by all processes of a machine, checked at every start."""

import time
from hashlib import file_digest, sha256
from pathlib import Path

from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.control.gateway.providers.minilm.weights import WEIGHTS_SHA256
from mainstay.platform.processes.files import FileLock

BUILD_DEADLINE_S = 120.0

_POLL_S = 0.05
_RECIPE = ("graph.py", "quantised.py")


def built_graph(models: Path, name: str, *, deadline_s: float = BUILD_DEADLINE_S) -> Path:
    """Return the path of the graph under the folder `models`, built now if it is missing or not what was written.

    Of several processes that start at once one builds, and the others wait for it, at most `deadline_s`.
    """
    folder = models / f"{name}-{_recipe_digest()[:12]}"
    graph = folder / "model.onnx"
    try:
        if not _is_whole(graph):
            folder.mkdir(parents=True, exist_ok=True)
            _build_locked(graph, deadline_s)
    except OSError as error:
        raise ModelUnusable(
            f"The embedding model cannot be built in {folder}: {error.strerror}."
            " It needs 25 MB there that this user may write; MAINSTAY_HOME names another folder."
        ) from error
    return graph


def _build_locked(graph: Path, deadline_s: float) -> None:
    lock = FileLock(graph.with_name("lock"))
    deadline = time.monotonic() + deadline_s
    while not lock.acquire():
        if time.monotonic() > deadline:
            raise ModelUnusable(
                f"Another process has been building the embedding model in {graph.parent} for {deadline_s:g} s:"
                " end it, and start again."
            )
        time.sleep(_POLL_S)
    try:
        if not _is_whole(graph):
            _build(graph)
    finally:
        lock.release()


def _build(graph: Path) -> None:
    # Imported here because only a build needs onnx, which takes 0.2 s and 40 MiB.
    from mainstay.control.gateway.providers.minilm.build import build_graph

    draft = graph.with_suffix(".draft")
    build_graph(draft)
    with draft.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
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


def _recipe_digest() -> str:
    """Return a digest of all that decides what the graph contains, so that changed code never meets an old file."""
    sources = (Path(__file__).with_name(name).read_bytes() for name in _RECIPE)
    return sha256(WEIGHTS_SHA256.encode() + b"".join(sources)).hexdigest()
