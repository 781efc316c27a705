"""What a principal has, one of each kind, as every attack on isolation names it."""

import secrets
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Things:
    """Outer ids and names of what a principal has; all else that it wrote holds the canary, which no call sends."""

    canary: str
    gate: str
    tenant_id: str
    file_id: str
    store_id: str
    store_name: str
    document_id: str
    external_id: str
    answer_id: str
    conversation_id: str
    conversation_name: str
    request_id: str
    call_id: str
    audit_id: str
    key_id: str
    batch_id: str
    content_sha256: str
    principal_id: str
    group_id: str
    job_id: str
    late_job_id: str
    unwanted_job_id: str
    dead_job_id: str

    @property
    def question(self) -> str:
        """Return what only a text of the owner answers; whoever attacks asks it too."""
        return f"What is the code of the {self.gate} gate?"

    def unknown(self) -> "Things":
        """Return ids of the same form and age, and names of the same length, that nobody has."""
        return replace(self, **{name: _neighbour(getattr(self, name)) for name in THINGS})

    def hexes(self) -> frozenset[str]:
        """Return the bare ids, as they stand in any outer form."""
        return frozenset(getattr(self, name)[-32:] for name in (*PREFIXES, "tenant_id"))

    def names(self) -> frozenset[str]:
        """Return what it called its things."""
        return frozenset((self.store_name, self.external_id, self.conversation_name, self.request_id))


THINGS = tuple(field.name for field in fields(Things) if field.name not in ("canary", "gate"))
# Outer ids that hold a UUID, with the prefix by which a place expects them.
PREFIXES = {
    "file_id": "file-",
    "store_id": "vs_",
    "document_id": "doc_",
    "answer_id": "resp_",
    "conversation_id": "conv_",
    "call_id": "call_",
    "audit_id": "aud_",
    "key_id": "key_",
    "batch_id": "vsfb_",
    "principal_id": "usr_",
    "group_id": "grp_",
    "job_id": "job_",
    "late_job_id": "job_",
    "unwanted_job_id": "job_",
    "dead_job_id": "job_",
}


def _neighbour(value: str) -> str:
    """Return `value` with another end of the same length: an id keeps its age, and cuts lists at the same row."""
    end = secrets.token_hex(4)
    return value[:-8] + (end if end != value[-8:] else "0" * 8)
