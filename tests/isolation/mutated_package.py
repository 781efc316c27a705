"""The package with a hole in one rule: a copy of it is changed, and tests run on the copy in a process of their own."""

import asyncio
import compileall
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

import mainstay

PACKAGE = Path(mainstay.__file__).parent
REPOSITORY = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("rule_mutants.toml")
RUN_DEADLINE_S = 300.0
# What pytest ends with: all passed, or some failed. Anything else means that it could not run them.
PASSED, FAILED = 0, 1
_SUMMARY = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class RuleMutant:
    """One rule without what it says: `old` in a file of the package reads `new`; `tests` are to fail."""

    rule: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def changed(self) -> str:
        """Return the text of the file with the hole; raises AssertionError where the row is stale."""
        text = (PACKAGE / self.file).read_text("utf-8")
        found = text.count(self.old)
        assert found == 1, f"'{self.rule}': its text stands {found} times in {self.file}; bring rule_mutants.toml up"
        changed = text.replace(self.old, self.new)
        assert changed != text, f"'{self.rule}' changes nothing"
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


def rule_mutants() -> list[RuleMutant]:
    """Return the mutants of the table beside this file."""
    data = tomllib.loads(TABLE.read_text("utf-8"))
    suites: Mapping[str, Sequence[str]] = data["suites"]
    return [
        RuleMutant(one["rule"], one["file"], one["old"], one["new"], tuple(suites[one["suite"]]))
        for one in data["mutant"]
    ]


class MutatedPackage:
    """A copy of the package in a folder of its own, with one mutant in it at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copy = folder / "mainstay"
        shutil.copytree(PACKAGE, self._copy, ignore=shutil.ignore_patterns("__pycache__"))
        # Compiled once, and held to the digest of each file: by its size and second a mutant could be missed.
        compileall.compile_dir(self._copy, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    async def run(
        self, tests: Sequence[str], mutant: RuleMutant | None = None, *, deadline_s: float = RUN_DEADLINE_S
    ) -> str:
        """Return the first of `tests` that fails on the copy, with a mutant where one is given, or nothing."""
        path = self._copy / mutant.file if mutant else None
        if mutant and path:
            path.write_text(mutant.changed(), "utf-8")
        try:
            code, output = await self._pytest(tests, deadline_s)
        finally:
            if mutant and path:
                shutil.copyfile(PACKAGE / mutant.file, path)
        assert code in (PASSED, FAILED), f"{mutant.rule if mutant else 'the copy'}: pytest ended with {code}: {output}"
        if code == PASSED:
            return ""
        found = _SUMMARY.search(output)
        assert found is not None, output
        return found[1]

    async def _pytest(self, tests: Sequence[str], deadline_s: float) -> tuple[int, str]:
        options = ("-n", "0", "-x", "-q", "--no-header", "--tb=no", "--show-capture=no", "-p", "no:cacheprovider")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", *options, *tests,
            cwd=REPOSITORY,
            # The compiled file of a mutant must not outlive it.
            env={**os.environ, "PYTHONPATH": str(self._folder), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(deadline_s):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode("utf-8", "replace")[-4000:]
