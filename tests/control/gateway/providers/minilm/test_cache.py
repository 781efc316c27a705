import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mainstay.control.gateway.providers.minilm.cache import built_graph
from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.platform.processes.files import FileLock

GRAPH_BYTES_MAX = 25_000_000


def test_the_graph_is_built_once(tmp_path: Path) -> None:
    graph = built_graph(tmp_path, "m")
    built = graph.stat()
    assert built.st_size < GRAPH_BYTES_MAX
    assert sorted(path.name for path in graph.parent.iterdir()) == ["lock", "model.onnx", "model.sha256"]
    assert built_graph(tmp_path, "m") == graph
    assert graph.stat().st_ino == built.st_ino


def _truncate(graph: Path) -> None:
    os.truncate(graph, graph.stat().st_size // 2)


def _alter(graph: Path) -> None:
    with graph.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x55" * 8)


def _remove(graph: Path) -> None:
    graph.unlink()


def _remove_digest(graph: Path) -> None:
    graph.with_suffix(".sha256").unlink()


def _spoil_digest(graph: Path) -> None:
    graph.with_suffix(".sha256").write_bytes(b"\xff\xfe")


def _leave_a_draft(graph: Path) -> None:
    graph.unlink()
    graph.with_suffix(".draft").write_bytes(b"what a killed builder left")


@pytest.mark.parametrize("damage", [_truncate, _alter, _remove, _remove_digest, _spoil_digest, _leave_a_draft])
def test_a_damaged_graph_is_built_again(models: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    whole = built_graph(models, "m")
    graph = tmp_path / whole.parent.name / whole.name
    graph.parent.mkdir()
    for path in (whole, whole.with_suffix(".sha256")):
        (graph.parent / path.name).write_bytes(path.read_bytes())
    damage(graph)
    assert built_graph(tmp_path, "m") == graph
    assert graph.read_bytes() == whole.read_bytes()
    assert not graph.with_suffix(".draft").exists()


BUILDER = """
import sys
from collections.abc import Callable
from pathlib import Path
from mainstay.control.gateway.providers.minilm.cache import built_graph
print("ready", flush=True)
sys.stdin.readline()
graph = built_graph(Path(sys.argv[1]), "m")
print(graph.stat().st_ino, "onnx" in sys.modules)
"""


def test_of_three_processes_at_once_one_builds(tmp_path: Path) -> None:
    builders = [
        subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for builder in builders:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "ready\n"
    outputs = [builder.communicate("go\n", timeout=60)[0].split() for builder in builders]
    assert len({inode for inode, _ in outputs}) == 1
    assert sorted(built for _, built in outputs) == ["False", "False", "True"]


def test_a_builder_that_never_ends_is_named(tmp_path: Path) -> None:
    folder = built_graph(tmp_path, "m").parent
    (folder / "model.onnx").unlink()
    lock = FileLock(folder / "lock")
    assert lock.acquire()
    with pytest.raises(ModelUnusable, match=r"Another process .* for 0.1 s"):
        built_graph(tmp_path, "m", deadline_s=0.1)
    lock.release()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    occupied = tmp_path / "models"
    occupied.write_text("a file where the folder should be")
    with pytest.raises(ModelUnusable, match=r"cannot be built in .*models.*MAINSTAY_HOME"):
        built_graph(occupied, "m")
