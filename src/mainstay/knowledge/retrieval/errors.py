"""What can be wrong with a search or with an index."""

from mainstay.kernel.errors import Invalid, MainstayError


class EmbeddingMismatch(MainstayError):
    """A vector is of another model than the index of its store."""

    kind = "conflict"
    code = "embedding_mismatch"


class InvalidSearch(Invalid):
    """A query or a limit that cannot be served."""

    code = "invalid_search"


class NotRetrievable(MainstayError):
    """A version was indexed and yet its own words do not find it."""

    kind = "unavailable"
    code = "not_retrievable"
