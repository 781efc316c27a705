"""Where the cluster of a home lies."""

import hashlib
from pathlib import Path

from mainstay.platform.postgres.embedded.errors import ClusterFailed
from mainstay.platform.processes.account import Account

# For a root whose home the unprivileged account cannot enter, such as one under /root.
SYSTEM_FOLDER = Path("/var/lib/mainstay")
_DIGEST_DIGITS = 16


def cluster_folder(home: Path, account: Account | None, system_folder: Path = SYSTEM_FOLDER) -> Path:
    """Return the folder of the cluster that belongs to `home`, an existing folder; nothing is made.

    It is `home/postgres` wherever the account that runs PostgreSQL (None: our own) can enter `home`, otherwise a
    folder under `system_folder` named by a digest of the home's path. A cluster that exists stays where it is, so
    that a change of modes never leads to a new and empty database.
    """
    inside = home / "postgres"
    if account is None:
        return inside
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:_DIGEST_DIGITS]
    outside = system_folder / digest
    if (outside / "data").exists():
        return outside
    if account.can_enter(home):
        return inside
    if (inside / "data").exists():
        raise ClusterFailed(
            f"The database in {inside} runs as the account {account.name!r}, which can no longer enter {home}:"
            " allow others to pass through it and the folders above it (chmod o+x)."
        )
    return outside
