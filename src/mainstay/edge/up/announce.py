"""The lines that a person reads when the system is ready."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from mainstay.edge.up.settings import UpSettings


def ready_lines(settings: UpSettings, took_s: float) -> list[str]:
    """Return what is printed once the system answers: where, with which key, and what to type next."""
    program = command_prefix(settings)
    lines = [
        f"Mainstay is ready at {settings.address} ({took_s:.1f} s)",
        f"  page      {_page_link(settings)}",
        f"  key file  {settings.key_file}",
        f"  logs      {settings.home / 'logs'}",
        "  try       " + f"{program} {settings.tries[0]}" if settings.tries else "",
        *(f"            {program} {arguments}" for arguments in settings.tries[1:]),
    ]
    if settings.environment.get("OPENAI_API_KEY"):
        lines.append(
            "OPENAI_API_KEY found, not used: set MAINSTAY_MODEL_URL, MAINSTAY_MODEL_KEY and MAINSTAY_MODEL_NAME"
            " to have a model answer."
        )
    return [line for line in lines if line]


def _page_link(settings: UpSettings) -> str:
    """Return the page's address with the key behind a #, which a browser keeps to itself."""
    try:
        return f"{settings.address}/#key={settings.key_file.read_text(encoding='utf-8').strip()}"
    except OSError:
        return f"{settings.address}/"


def command_prefix(settings: UpSettings) -> str:
    """Return `mainstay` as it works when typed in a new terminal in this folder."""
    script = Path(sys.executable).with_name("mainstay")
    found = shutil.which("mainstay", path=settings.environment.get("PATH"))
    if found is not None and (not script.exists() or Path(found).samefile(script)):
        program = "mainstay"
    else:
        program = shlex.quote(_shorter(script))
    if settings.home_is_default:
        return program
    return f"MAINSTAY_HOME={shlex.quote(str(settings.home))} {program}"


def _shorter(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
