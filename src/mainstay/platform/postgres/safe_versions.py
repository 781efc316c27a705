"""Which releases of PostgreSQL are known to keep row security, as of a date: data, read from safe_versions.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Floor:
    """The first safe minor release of a major one, and what the ones before it have."""

    minor_min: int
    because: str


@dataclass(frozen=True)
class SafeVersions:
    """The floors by major release, and when they were looked up."""

    looked_up: date
    stale_on: date
    floors: Mapping[int, Floor]

    def complaint(self, version: int) -> str | None:
        """Return what is wrong with a server whose `server_version_num` is `version`, or None."""
        major, minor = divmod(version, 10000)
        if major < min(self.floors):
            return f"PostgreSQL {major} is too old: Mainstay needs {min(self.floors)} or later."
        floor = self.floors.get(major)
        if floor is not None and minor < floor.minor_min:
            return (
                f"PostgreSQL {major}.{minor} has known leaks past row security ({floor.because}):"
                f" upgrade to {major}.{floor.minor_min} or later."
            )
        return None


@cache
def safe_versions() -> SafeVersions:
    """Return the data that came with this release."""
    data = tomllib.loads(files("mainstay.platform.postgres").joinpath("safe_versions.toml").read_text("utf-8"))
    return SafeVersions(
        looked_up=data["looked_up"],
        stale_on=data["looked_up"] + timedelta(days=data["stale_after_days"]),
        floors={int(major): Floor(**floor) for major, floor in data["majors"].items()},
    )
