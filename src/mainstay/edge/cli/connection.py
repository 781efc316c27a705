"""How the command line reaches the system: the address of what runs, the key in the home folder, and the owner."""

import asyncio
import json

from mainstay.config import Settings, load_settings
from mainstay.kernel.errors import MainstayError
from mainstay.sdk import Client


class NoKey(MainstayError):
    """There is no key to use."""

    kind = "unauthenticated"
    code = "no_key"


def connect(settings: Settings | None = None) -> Client:
    """Return a client for the running system; raises NoKey with what to do."""
    settings = settings or load_settings()
    return Client(address_of(settings), key_of(settings))


def address_of(settings: Settings) -> str:
    """Return MAINSTAY_URL, or the address of what runs on the home, or the one where it would run."""
    if settings.url:
        return settings.url.rstrip("/")
    # Read as JSON and not through `edge.up`, whose imports would cost each command half a second.
    try:
        return json.loads((settings.home / "run" / "state.json").read_text())["address"]
    except (OSError, ValueError, KeyError):
        return f"http://{settings.host}:{settings.port}"


def key_of(settings: Settings) -> str:
    """Return MAINSTAY_API_KEY, or the key in the home folder."""
    if settings.key:
        return settings.key.get_secret_value()
    file = settings.key_file
    if not file.exists():
        raise NoKey(f"There is no key in {file}: start the system with `mainstay up`, or set MAINSTAY_API_KEY.")
    return file.read_text().strip()


def owner_url(settings: Settings) -> str:
    """Return the URL of the schema's owner, of the running system or of the database that was given."""
    # Imported here: `ask` and `search` must not wait for what only maintenance needs.
    from mainstay.edge.maintain import embedded_owner_url, resolve_urls

    given = settings.database_url.get_secret_value() if settings.database_url else None
    if given is None:
        return embedded_owner_url(settings.home)
    owner = settings.owner_database_url.get_secret_value() if settings.owner_database_url else None
    return asyncio.run(resolve_urls(given, owner, settings.home)).owner
