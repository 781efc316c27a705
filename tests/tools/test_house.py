"""Every rule of the house finds what is planted against it, and says nothing of a sound tree."""

import subprocess
from pathlib import Path

import pytest

from tools.check_house import main
from tools.house import RULES, check, count
from tools.house.tree import Finding, Tree, read_tree

STORE = '''"""The SQL of things."""
from mainstay.platform.postgres import ReadTx, load_queries

_QUERIES = load_queries(__package__)


async def find(tx: ReadTx) -> object:
    """Find one; the words SELECT and UPDATE are only words here."""
    return await tx.fetch_one(_QUERIES["find"], id=1)
'''
HANDLER = '''"""Tidies up."""
def run() -> None:
    try:
        print("UPDATE is a word, too")
    except BaseException:
        print("tidied")
        raise
'''
INNER = '''"""Why, above a block and beside a line."""
def run() -> None:
    # Heavy, and needed by one command alone.
    import json
    import zlib
    import bz2  # Heavy, too.
    print(json, zlib, bz2)
'''
SOUND = {
    **dict.fromkeys(("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"), "Words.\n"),
    "src/mainstay/__init__.py": "",
    "src/mainstay/config.py": "import os\nURL = os.environ['URL']\n",
    "src/mainstay/bootstrap.py": "from mainstay.control.things import store\n",
    "src/mainstay/control/__init__.py": "",
    "src/mainstay/control/things/__init__.py": "",
    "src/mainstay/control/things/store.py": STORE,
    "src/mainstay/control/things/queries.sql": "-- name: find\n-- Finds one.\nSELECT 1;\n",
    "src/mainstay/control/things/service.py": HANDLER,
    "src/mainstay/control/things/models.py": "class Thing:\n    pass\n",
    "src/mainstay/control/others/__init__.py": "",
    "src/mainstay/control/others/service.py": "from mainstay.control.things import service, models\n" + INNER,
    "src/mainstay/edge/__init__.py": "",
    "src/mainstay/edge/server/__init__.py": "",
    "src/mainstay/edge/server/app.py": "import asyncpg\ntry:\n    pass\nexcept Exception:\n    print(asyncpg)\n",
    "src/mainstay/schema/migrations/0001_pre_things.sql": (
        "CREATE TABLE mainstay.things (tenant_id uuid);\nCALL mainstay.protect('mainstay.things', 'select');\n"
        "CREATE FUNCTION mainstay.f() RETURNS void LANGUAGE sql SET search_path = a AS $$ BEGIN; SET x = 1; END $$;\n"
        "UPDATE mainstay.things\n   SET tenant_id = NULL;\nSET LOCAL lock_timeout = '2s';\n"
    ),
    "requirements/runtime.txt": (
        "# via\na==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via\n"
        "b[x]==2 ; python_version < '4' \\\n    --hash=sha256:cc\n"
    ),
    "requirements/lock.sh": "uv pip compile --no-emit-index-url --no-emit-find-links\n",
    "tests/__init__.py": "",
    "tests/test_a.py": "import pytest\n\n\n@pytest.mark.skipif(True, reason='a')\ndef test_a() -> None:\n    pass\n",
}
IN_SLICE = "src/mainstay/control/others/service.py"

# The rule, and the files that break it; each is added to the sound tree, or replaces a file of it.
FAULTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("file_size", {"tools/long.py": "#\n" * 401}),
    ("file_size", {"src/mainstay/long.css": "a {}\n" * 401}),
    ("file_size", {"tests/test_long.py": "#\n" * 601}),
    ("function_size", {"tools/long.py": "def run() -> None:\n" + "    print()\n" * 60}),
    (
        "function_size",
        {"tests/test_long.py": "class A:\n    async def run(self) -> None:\n" + "        print()\n" * 60},
    ),
    ("empty_name", {"tools/string_utils.py": ""}),
    ("empty_name", {"docs/helpers/page.md": "Words.\n"}),
    ("empty_name", {"tools/run.py": "class QueueManager:\n    pass\n"}),
    ("package_face", {"src/mainstay/kernel/ids.py": ""}),
    ("package_face", {"tests/deep/test_a.py": ""}),
    ("slice_room", {"src/mainstay/control/others/tricks.py": ""}),
    ("slice_room", {"src/mainstay/control/stray.py": ""}),
    ("slice_door", {IN_SLICE: "from mainstay.control.things.store import find\n"}),
    ("slice_door", {IN_SLICE: "from mainstay.control.things import store\n"}),
    ("slice_door", {IN_SLICE: "import mainstay.control.things.routes\n"}),
    ("slice_door", {IN_SLICE: "from ..things.jobs import run\n"}),
    ("slice_door", {IN_SLICE: "from mainstay.control.things import Thing\n"}),
    ("slice_door", {"src/mainstay/edge/server/app.py": "from mainstay.control.things import store\n"}),
    ("import_home", {IN_SLICE: "import asyncpg\n"}),
    ("import_home", {IN_SLICE: "def f() -> None:\n    from onnxruntime import InferenceSession  # Heavy.\n"}),
    ("import_home", {"src/mainstay/edge/server/app.py": "import obstore.store\n"}),
    ("import_inside", {"tools/run.py": "def f() -> None:\n    import json\n"}),
    ("import_inside", {"tests/test_b.py": "def f() -> None:\n    x = 1\n    from json import loads\n"}),
    ("environment_read", {IN_SLICE: "import os\nHOME = os.environ['HOME']\n"}),
    ("environment_read", {"src/mainstay/edge/server/app.py": "from os import getenv\n"}),
    ("broken_syntax", {"tools/run.py": "def run(:\n"}),
    ("left_open", {"docs/a.md": "TO" + "DO: write this\n"}),
    ("left_open", {IN_SLICE: "x = 1  # FIX" + "ME later\n"}),
    ("left_open", {IN_SLICE: "def f() -> None:\n    raise NotImplementedError('later')\n"}),
    ("silenced", {"tools/run.py": "x: int = 'a'  # type:" + " ignore\n"}),
    ("silenced", {"tools/run.py": "import os  # no" + "qa\n"}),
    ("silenced", {"tools/run.py": "x: int = 'a'  # pyright:" + " ignore\n"}),
    ("skipped", {"tests/test_b.py": "import pytest\n\n\n@pytest.mark.skip\ndef test_b() -> None:\n    pass\n"}),
    (
        "skipped",
        {"tests/test_b.py": "import pytest\n\n\n@pytest.mark.xfail(strict=True)\ndef test_b() -> None:\n    pass\n"},
    ),
    (
        "query_use",
        {"src/mainstay/control/things/queries.sql": "-- name: find\n-- A.\nSELECT 1;\n-- name: b\n-- B.\nSELECT 2;\n"},
    ),
    ("query_use", {"src/mainstay/control/things/queries.sql": "-- name: find\nSELECT 1;\n"}),
    ("query_use", {"src/mainstay/control/things/queries.sql": "-- name: find\n-- A.\nSELECT $a$ :b $a$;\n"}),
    ("query_use", {"src/mainstay/control/things/queries.sql": "-- name: find\n-- A.\nSELECT 1 /* :b */;\n"}),
    ("query_use", {"src/mainstay/control/things/store.py": STORE + "\n\nMORE = _QUERIES['more']\n"}),
    ("sql_in_python", {IN_SLICE: "SQL = 'SELECT 1'\n"}),
    ("sql_in_python", {IN_SLICE: "SQL = '''\n    UPDATE mainstay.things SET a = 1'''\n"}),
    ("sql_built", {IN_SLICE: "def f(name: str) -> str:\n    return f'and then SELECT a FROM {name}'\n"}),
    ("sql_built", {IN_SLICE: "def f(name: str) -> str:\n    return f' WHERE name = {name}'\n"}),
    ("session_setting", {"src/mainstay/schema/migrations/0002_pre_a.sql": "SELECT 1;\nSET lock_timeout = 1;\n"}),
    ("session_setting", {"src/mainstay/schema/migrations/0002_pre_a.sql": "SELECT set_config('a.b', 'c', false);\n"}),
    (
        "transaction_boundary",
        {IN_SLICE: "async def f(c: object) -> None:\n    async with c.transaction():\n        pass\n"},
    ),
    ("transaction_boundary", {IN_SLICE: "END_OF_IT = 'COMMIT'\n"}),
    ("migration_name", {"src/mainstay/schema/migrations/0003_pre_gap.sql": "SELECT 1;\n"}),
    ("migration_name", {"src/mainstay/schema/migrations/0002_mid_what.sql": "SELECT 1;\n"}),
    ("migration_name", {"src/mainstay/schema/migrations/0001_pre_twice.sql": "SELECT 1;\n"}),
    ("table_protected", {"src/mainstay/schema/migrations/0002_pre_a.sql": "CREATE TABLE mainstay.open (a int);\n"}),
    ("broad_handler", {IN_SLICE: "try:\n    pass\nexcept Exception:\n    pass\n"}),
    ("broad_handler", {IN_SLICE: "try:\n    pass\nexcept (OSError, BaseException) as e:\n    raise OSError from e\n"}),
    ("broad_handler", {IN_SLICE: "try:\n    pass\nexcept:\n    pass\n"}),
    ("broad_handler", {IN_SLICE: "import contextlib\nwith contextlib.suppress(Exception):\n    pass\n"}),
    ("machine_folder", {"docs/a.md": "See /ho" + "me/ada/project/file.\n"}),
    ("machine_folder", {"tests/test_b.py": "PATH = '/ro" + "ot/key'\n"}),
    ("foreign_word", {"docs/a.md": "Run it through lathe" + "-9.\n"}),
    ("registry_address", {"docs/a.md": "From https://py" + "pi.org/simple.\n"}),
    ("registry_address", {"Makefile": "pip install --inde" + "x-url https://example.org/simple\n"}),
    ("pinned", {"requirements/more.txt": "a==1.0\n"}),
    ("pinned", {"requirements/more.txt": "a>=1.0 \\\n    --hash=sha256:aa\n"}),
    ("pinned", {"requirements/more.txt": "--find-links https://example.org\n"}),
    (
        "locked_without_addresses",
        {"console/package-lock.json": '{"packages": {"a": {"resolved": "https://example.org/a"}}}'},
    ),
    ("paper_missing", {"README.md": "\n"}),
)


def test_sound_tree_has_no_finding() -> None:
    assert check(Tree(SOUND), {}) == []


@pytest.mark.parametrize(("rule", "files"), FAULTS)
def test_planted_fault_is_the_only_finding(rule: str, files: dict[str, str]) -> None:
    findings = check(Tree({**SOUND, **files}, foreign_words=["lathe-9"]), {})
    also = {"query_use", "sql_in_python"} if rule in ("query_use", "transaction_boundary") else set[str]()
    assert {finding.rule for finding in findings} - also | {rule} == {rule}
    assert rule in {finding.rule for finding in findings}
    for finding in findings:
        assert str(finding).startswith(f"{finding.path}:{finding.line}: {finding.rule}: ")
        assert finding.path in {**SOUND, **files}


def test_every_rule_has_a_planted_fault() -> None:
    assert {rule for rule, _ in FAULTS} == {rule.__name__ for rule in RULES}


def test_exception_excuses_its_own_rule_in_its_own_file() -> None:
    tree = Tree({**SOUND, IN_SLICE: "import asyncpg\nSQL = 'SELECT 1'\n"})
    findings = check(tree, {"import_home": {IN_SLICE: "why"}})
    assert [(finding.rule, finding.path) for finding in findings] == [("sql_in_python", IN_SLICE)]


def test_exception_of_a_folder_excuses_what_is_in_it() -> None:
    tree = Tree({**SOUND, IN_SLICE: "import asyncpg\n"})
    assert check(tree, {"import_home": {"src/mainstay/control/others/": "why"}}) == []


def test_exception_that_excuses_nothing_is_a_finding() -> None:
    findings = check(Tree(SOUND), {"import_home": {IN_SLICE: "why"}})
    assert findings == [
        Finding(IN_SLICE, 1, "idle_exception", "is excused from import_home and breaks it nowhere: strike the excuse")
    ]


def test_everything_is_counted() -> None:
    counted = count(Tree(SOUND))
    assert (counted.functions, counted.queries, counted.migrations, counted.requirements) == (4, 1, 1, 2)
    assert counted.files == len(SOUND)


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def test_check_that_saw_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(write(tmp_path, {})) == 1
    assert "house: no files and no functions and no queries and no migrations" in capsys.readouterr().out


def test_foreign_words_are_read_beside_the_repository(tmp_path: Path) -> None:
    root = write(tmp_path, SOUND)
    assert read_tree(root).foreign_words == ()
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "foreign-words").write_text("lathe-9\nmill-3\n")
    assert read_tree(root).foreign_words == ("lathe-9", "mill-3")


def test_untracked_files_are_read_and_ignored_and_binary_ones_are_not(tmp_path: Path) -> None:
    root = write(tmp_path, {**SOUND, ".gitignore": "build/\n", "build/a.py": "x", "image.png": "\0"})
    assert set(read_tree(root).sources) == {*SOUND, ".gitignore"}
