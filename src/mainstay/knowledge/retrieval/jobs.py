"""The jobs of retrieval: a version that was added is ingested."""

from mainstay.knowledge.documents.models import INGEST
from mainstay.knowledge.retrieval.ingest import Ingest
from mainstay.platform.jobs import JobHandler


def handlers(ingest: Ingest) -> list[JobHandler]:
    """Return what a worker does for retrieval."""
    return [JobHandler(INGEST, run=ingest.run, on_dead=ingest.give_up)]
