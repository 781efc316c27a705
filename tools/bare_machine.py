"""Make a virtual environment, or say in one sentence why this machine cannot.

Runs before anything is installed, so it uses the standard library alone and the syntax of old Pythons.
"""

# Annotations are no syntax of old Pythons.
# pyright: reportMissingParameterType=false
import importlib.util
import os
import platform
import subprocess
import sys

PYTHON_MIN = (3, 11)
PLATFORMS = {
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "x86_64"),
    ("Darwin", "arm64"),
}


def complaint(version=None, here=None, has_venv=None):
    """Return what stands in the way of an installation, as one sentence, or None.

    `version` is a version_info, `here` a pair of system and machine, `has_venv` whether environments can be made;
    each is this machine's own unless given.
    """
    version = tuple(version or sys.version_info)
    here = here or (platform.system(), platform.machine())
    if version[:2] < PYTHON_MIN:
        return (
            "Mainstay needs Python 3.11 or later, and %s is %s: name a newer one with `make up PYTHON=python3.12`."
            % (sys.executable, ".".join(str(part) for part in version[:3]))
        )
    if here not in PLATFORMS:
        return (
            "Mainstay ships PostgreSQL for Linux and macOS on x86-64 and arm64, not for %s on %s:"
            " run it in a Linux virtual machine." % here
        )
    if not (has_venv_module() if has_venv is None else has_venv):
        return (
            "This Python has no working venv module:"
            " on Debian and Ubuntu run `apt-get install python3-venv`, then `make up` again."
        )
    return None


def has_venv_module():
    """Return whether this Python can make environments; Debian ships venv without what it needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip"))


def main(folder):
    """Create the environment in `folder` unless it stands; the exit code is 1 with a sentence on failure."""
    problem = complaint()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    # pip comes last; without it an earlier attempt was interrupted, and venv completes what stands.
    if os.path.exists(os.path.join(folder, "bin", "pip")):
        return 0
    made = subprocess.run([sys.executable, "-m", "venv", folder], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        print(
            "Could not make a virtual environment in %s: %s" % (folder, (made.stderr or made.stdout).strip()),
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
