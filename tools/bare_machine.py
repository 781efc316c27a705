"""Make a virtual environment, or say in one sentence why this machine cannot.

Runs before anything is installed, so it uses the standard library alone and the syntax of old Pythons.
"""

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


def complaint():
    """Return what stands in the way of an installation, as one sentence, or None."""
    if sys.version_info < PYTHON_MIN:
        return "Mainstay needs Python 3.11 or later, and %s is %s: name a newer one with `make up PYTHON=python3.12`." % (
            sys.executable,
            platform.python_version(),
        )
    here = (platform.system(), platform.machine())
    if here not in PLATFORMS:
        return "Mainstay ships PostgreSQL for Linux and macOS on x86-64 and arm64, not for %s on %s: run it in a Linux virtual machine." % here
    try:
        import ensurepip  # noqa: F401  (its absence is what we look for)
        import venv  # noqa: F401
    except ImportError:
        return "This Python has no working venv module: on Debian and Ubuntu run `apt-get install python3-venv`, then `make up` again."
    return None


def main(folder):
    """Create the environment in `folder` unless it stands; the exit code is 1 with a sentence on failure."""
    problem = complaint()
    if problem:
        print(problem, file=sys.stderr)
        return 1
    if os.path.exists(os.path.join(folder, "bin", "python")):
        return 0
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)
    if made.returncode != 0:
        print("Could not make a virtual environment in %s: %s" % (folder, (made.stderr or made.stdout).strip()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
