"""A cluster that was made once and is copied for each test that needs one of its own."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainstay.platform.postgres.embedded import EmbeddedCluster
from tests.support.folders import passable_folder

START_S = 30.0
STOP_S = 10.0


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account may enter."""
    with passable_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    """A cluster that has been started and stopped once."""
    with passable_folder() as folder:
        cluster = EmbeddedCluster(folder / "postgres")
        cluster.start(START_S)
        cluster.stop(STOP_S)
        yield folder / "postgres"


@pytest.fixture
def new_cluster(made_cluster: Path, open_folder: Path) -> Iterator[Callable[[], EmbeddedCluster]]:
    """Make EmbeddedCluster objects on one copy of the made cluster; what still runs is stopped at the end."""
    folder = open_folder / "postgres"
    subprocess.run(["cp", "-a", made_cluster, folder], check=True)
    clusters: list[EmbeddedCluster] = []

    def make() -> EmbeddedCluster:
        clusters.append(EmbeddedCluster(folder))
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.stop(STOP_S)
