"""A product is loaded whole, or nothing starts and one sentence says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainstay.bootstrap import open_product
from mainstay.config import InvalidConfiguration, find_product, load_settings
from mainstay.product import InvalidProduct, Product
from tests.support.database import SCOPE_KEY, DatabaseUrls

HEAD = "from mainstay.product import JobHandler, JobKind, Product, Schedule\n\nasync def run(job):\n    pass\n\n"
SOUND = 'KIND = JobKind("shop.count", queue="shop", timeout_s=5)\nproduct = Product(jobs=[JobHandler(KIND, run)])\n'


def write(folder: Path, name: str, module: str, toml: str | None = None) -> Path:
    (folder / f"{name}.py").write_text(module)
    file = folder / "mainstay.toml"
    file.write_text(toml or f'[product]\nmodule = "{name}"\n')
    return file


def test_product_is_found_where_it_is_named_and_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "sound_product", HEAD + SOUND)
    for named in (file, tmp_path):
        assert open_product(load_settings(product=named)).job_names == ["shop.count"]
    monkeypatch.chdir(tmp_path)
    assert open_product(load_settings()).job_names == ["shop.count"]
    monkeypatch.chdir("/")
    assert find_product(load_settings()) is None
    assert open_product(load_settings()) == Product()


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("product = 1\n", "must have a table .product. with module"),
        ('[product]\nmodule = ""\n', "must have a table"),
        ('[product]\nmodule = "a"\nmodul = "b"\n', "and nothing else"),
        ('[product]\nmodule = "a"\n[more]\n', "and nothing else"),
        ("[product\n", "is not TOML"),
    ],
)
def test_file_that_cannot_be_right_is_one_sentence(tmp_path: Path, toml: str, sentence: str) -> None:
    file = write(tmp_path, "unused", "", toml)
    with pytest.raises(InvalidConfiguration, match=sentence):
        find_product(load_settings(product=file))


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"MAINSTAY_PRODUCT names .*no\.toml, which cannot be read"):
        find_product(load_settings(product=tmp_path / "no.toml"))


@pytest.mark.parametrize(
    ("name", "module", "sentence"),
    [
        ("p_missing_import", "import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("p_bad_kind", HEAD + 'JobKind("Bad Name", queue="q", timeout_s=1)\n', "ValueError: JobKind: name 'Bad Name'"),
        ("p_bad_syntax", "def\n", "SyntaxError"),
        ("p_nothing", HEAD, r"has no `product = Product\(...\)`"),
        ("p_other_thing", "product = 1\n", r"has no `product = Product\(...\)`"),
        (
            "p_clash",
            HEAD
            + 'K = JobKind("documents.ingest", queue="q", timeout_s=1)\nproduct = Product(jobs=[JobHandler(K, run)])',
            "job 'documents.ingest' has the name of one of Mainstay's own",
        ),
        (
            "p_twice",
            HEAD + SOUND + "product = Product(jobs=[JobHandler(KIND, run), JobHandler(KIND, run)])",
            "two jobs are named 'shop.count'",
        ),
        (
            "p_unhandled",
            HEAD + SOUND + 'product = Product(schedules=[Schedule("s", KIND, cron="0 0 * * *", payload={})])',
            "makes 'shop.count' jobs, which no handler in `jobs` runs",
        ),
        (
            "p_clash_schedule",
            HEAD
            + SOUND
            + "product = Product([JobHandler(KIND, run)],"
            + ' [Schedule("retrieval.plan_merges", KIND, cron="0 0 * * *", payload={})])',
            "schedule 'retrieval.plan_merges' has the name of one of Mainstay's own",
        ),
        (
            "p_bad_cron",
            HEAD + SOUND + 'Schedule("s", KIND, cron="0 25 * * *", payload={})',
            "Schedule 's': cron '0 25 . . .' cannot be read: Bad hour",
        ),
    ],
)
def test_product_that_cannot_be_is_one_sentence(tmp_path: Path, name: str, module: str, sentence: str) -> None:
    file = write(tmp_path, name, module)
    with pytest.raises(InvalidProduct, match=sentence):
        open_product(load_settings(product=file))


@pytest.mark.parametrize(("process", "code"), [("server", 3), ("worker", 1)])
def test_process_with_a_product_that_is_not_there_ends_with_a_sentence(
    database_urls: DatabaseUrls, tmp_path: Path, process: str, code: int
) -> None:
    file = write(tmp_path, "unused", "", '[product]\nmodule = "not_there"\n')
    ended = subprocess.run(
        [sys.executable, "-m", f"mainstay.edge.{process}"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("MAINSTAY_")},
            "MAINSTAY_HOME": str(tmp_path),
            "MAINSTAY_APP_DATABASE_URL": database_urls.app,
            "MAINSTAY_SCOPE_KEY": SCOPE_KEY.secret.hex(),
            "MAINSTAY_PRODUCT": str(file),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code
    assert f"The product module 'not_there' cannot be loaded: it is not in {tmp_path}, nor installed." in ended.stderr
    assert "Traceback" not in ended.stderr
