"""The contracts of `.importlinter` break where an import goes up, sideways or in a circle, or a folder is new."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec("importlinter") is None, reason="import-linter comes with the tools of development: run `make check` once"
)

# A small house with every layer and slice that is not optional, and imports that only go down.
SOUND = {
    "kernel/ids.py": "",
    "schema/loader.py": "from mainstay.kernel import ids\n",
    "prompts/loader.py": "",
    "platform/postgres.py": "from mainstay.schema import loader\n",
    "control/tenants/service.py": "from mainstay.platform import postgres\n",
    "control/access/service.py": "from mainstay.control.tenants import service\n",
    "control/metering/service.py": "from mainstay.control.access import service\n",
    "knowledge/documents/service.py": "from mainstay.control.metering import service\n",
    "knowledge/retrieval/service.py": "from mainstay.knowledge.documents import service\n",
    "bootstrap.py": "from mainstay.knowledge.retrieval import service\n",
    "sdk/client.py": "",
    "edge/server/app.py": "from mainstay import bootstrap\n",
    "edge/worker/app.py": "from mainstay import bootstrap\n",
    "edge/up/supervisor.py": "",
    "edge/cli/app.py": "from mainstay.edge import up\nfrom mainstay.sdk import client\n",
}

FAULTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Imports only go down the house", {"kernel/ids.py": "from mainstay.platform import postgres\n"}),
    ("Imports only go down the house", {"platform/jobs.py": "from mainstay.control.tenants import service\n"}),
    ("Imports only go down the house", {"control/access/service.py": "import mainstay.knowledge.documents.service\n"}),
    ("Imports only go down the house", {"schema/loader.py": "from mainstay.prompts import loader\n"}),
    ("Imports only go down the house", {"sdk/client.py": "from mainstay.kernel import ids\n"}),
    ("Imports only go down the house", {"knowledge/documents/service.py": "from mainstay import bootstrap\n"}),
    ("Imports only go down the house", {"extras/tricks.py": ""}),
    ("Imports only go down the house", {"stray.py": ""}),
    ("In control each slice", {"control/tenants/service.py": "from mainstay.control.access import service\n"}),
    ("In control each slice", {"control/stray/service.py": ""}),
    ("In knowledge imports", {"knowledge/documents/service.py": "from mainstay.knowledge.retrieval import service\n"}),
    ("In knowledge imports", {"knowledge/stray.py": ""}),
    ("Processes do not know", {"edge/server/app.py": "from mainstay.edge.worker import app\n"}),
    ("Processes do not know", {"edge/up/supervisor.py": "from mainstay.edge.cli import app\n"}),
    ("Processes do not know", {"edge/stray/app.py": ""}),
    (
        "No package has a cycle",
        {"kernel/ids.py": "from mainstay.kernel import money\n", "kernel/money.py": "import mainstay.kernel.ids\n"},
    ),
    ("Only the command line", {"edge/server/app.py": "from mainstay.sdk import client\n"}),
)


# Checks one folder after the other in one process, since starting Python costs more than the check.
SCRIPT = """
import sys
from importlib import invalidate_caches
from importlinter.cli import lint_imports
config, *folders = sys.argv[1:]
for folder in folders:
    sys.path.insert(0, folder)
    invalidate_caches()
    print("FOLDER", flush=True)
    code = lint_imports(config_filename=config, no_cache=True)
    print("CODE", code, flush=True)
    sys.path.remove(folder)
"""


def write_package(folder: Path, files: dict[str, str]) -> str:
    """Write a package `mainstay` of these files and return the folder it is found in."""
    package = folder / "mainstay"
    for path, text in files.items():
        file = package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for place in [package, *(entry for entry in package.rglob("*") if entry.is_dir())]:
        (place / "__init__.py").touch()
    return str(folder)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The names of the contracts that the sound house breaks, and then each house with a fault."""
    root = tmp_path_factory.mktemp("houses")
    houses = [SOUND, *({**SOUND, **files} for _, files in FAULTS)]
    folders = [write_package(root / str(number), files) for number, files in enumerate(houses)]
    command = [sys.executable, "-c", SCRIPT, str(ROOT / ".importlinter"), *folders]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False
    )
    reports = done.stdout.split("FOLDER\n")[1:]
    assert len(reports) == len(houses), done.stdout + done.stderr
    results = [
        [line.removesuffix(" BROKEN") for line in report.splitlines() if line.endswith(" BROKEN")] for report in reports
    ]
    for report, names in zip(reports, results, strict=True):
        assert "CODE 1" in report if names else "CODE 0" in report, report
    return results


def test_sound_house_breaks_no_contract(broken: list[list[str]]) -> None:
    assert broken[0] == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_planted_import_breaks_its_contract(broken: list[list[str]], number: int) -> None:
    assert any(name.startswith(FAULTS[number][0]) for name in broken[number + 1])
