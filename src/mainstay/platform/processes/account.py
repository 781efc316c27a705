"""The unprivileged account that a root process lends to what must not run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Every Unix has it. A free uid of our own would be lonelier, but `initdb` and the single-user mode of PostgreSQL
# refuse a uid without an entry in the account database, and making an entry would change the machine.
_NAME = "nobody"
_PROBE_DEADLINE_S = 5


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its primary group, by number."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Tell whether this account reaches `folder`, by trying: modes, ACLs and mounts all have their say."""
        done = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_DEADLINE_S,
            check=False,
        )
        return done.returncode == 0

    def can_be_used(self) -> bool:
        """Tell whether this process may start others under the account; a container with one user may not."""
        try:
            return self.can_enter(Path("/"))
        except (PermissionError, OSError, subprocess.SubprocessError):
            return False


def unprivileged_account() -> Account | None:
    """Return the account to step down to when we are root, None when we are somebody ordinary already."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_NAME)
    return Account(_NAME, entry.pw_uid, entry.pw_gid)
