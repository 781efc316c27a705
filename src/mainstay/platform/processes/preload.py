"""`python -m mainstay.platform.processes.preload MODULE`: import MODULE now, run it when told to.

Importing a server takes as long as starting its database, so both are done at the same time. The parent writes one
line to our standard input when all is prepared: a JSON object of environment variables (which so never show in the
list of processes). The end of the input without a line means that there is nothing left to run for.
"""

import importlib
import importlib.util
import json
import os
import runpy
import sys


def _runnable(module: str) -> str:
    spec = importlib.util.find_spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    return f"{module}.__main__" if is_package else module


def main() -> int:
    """Import, wait for the line, run; returns 0 when no line comes."""
    module = _runnable(sys.argv[1])
    importlib.import_module(module)
    line = sys.stdin.readline()
    if not line:
        return 0
    os.environ.update(json.loads(line))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    # Everything it imports stays loaded; only the module itself is run afresh, as `__main__`.
    del sys.modules[module]
    del sys.argv[1]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
