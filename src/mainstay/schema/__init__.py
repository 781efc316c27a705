"""The migrations, as data: files `NNNN_{pre|post}_what.sql`, applied in the order of their names."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files


@dataclass(frozen=True)
class Migration:
    """One file: its name without the ending, its text, and the digest by which a later edit is noticed."""

    name: str
    sql: str
    digest: bytes


def migrations() -> tuple[Migration, ...]:
    """Return all migrations in the order in which they apply."""
    folder = files("mainstay.schema").joinpath("migrations")
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    texts = [(name.removesuffix(".sql"), folder.joinpath(name).read_text("utf-8")) for name in found]
    return tuple(Migration(name, text, sha256(text.encode()).digest()) for name, text in texts)
