"""A PostgreSQL as production has it (fsync and all) in a temporary folder, and databases in it."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from mainstay.platform.postgres.embedded import EmbeddedCluster

REPOSITORY = Path(__file__).parents[1]
# Built once for all benches and runs.
MODELS = REPOSITORY / "bench" / "results" / "models"


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Make a folder that the account of PostgreSQL can enter, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mainstay-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def production_cluster(folder: Path) -> Generator[EmbeddedCluster]:
    """Run PostgreSQL under `folder` with the product's own settings."""
    cluster = EmbeddedCluster(folder / "postgres")
    cluster.start(deadline_s=60)
    try:
        yield cluster
    finally:
        cluster.stop(deadline_s=20)


def postmaster(cluster: EmbeddedCluster) -> int:
    """Return the process whose children are all of PostgreSQL's work."""
    server = cluster.server
    if server is None:
        raise RuntimeError("PostgreSQL ended during the bench: look into its log.")
    return server.pid
