"""From settings to a running worker: what `mainstay worker` and `python -m mainstay.edge.worker` both do."""

import sys
from functools import partial

from mainstay.bootstrap import worker_system
from mainstay.config import InvalidConfiguration, load_settings
from mainstay.edge.worker.health import HealthAddress
from mainstay.edge.worker.process import main


def run_worker(**given: object) -> int:
    """Run a worker with the settings of the environment and those `given`, and return its exit status."""
    try:
        settings = load_settings(**given)
    except InvalidConfiguration as error:
        print(f"mainstay worker: {error.message}", file=sys.stderr)
        return 1
    port = settings.worker_health_port
    health = HealthAddress(settings.worker_health_host, port) if port is not None else None
    return main(partial(worker_system, settings), health=health)
