"""What can go wrong with files, stores and documents."""

from mainstay.kernel.errors import MainstayError


class FileTooLarge(MainstayError):
    """An upload is over its limit."""

    code = "file_too_large"


class PrivateFile(MainstayError):
    """A private file would be shown to whoever sees the store."""

    code = "private_file"


class NotRead(MainstayError):
    """A file of a store has no text: it waits to be read, or could not be."""

    kind = "conflict"
    code = "not_read"


class InvalidFilter(MainstayError):
    """A filter over attributes cannot be understood or breaks a limit."""

    code = "invalid_filter"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="filters")


class EmptyFile(MainstayError):
    """An upload has no bytes."""

    code = "empty_file"


class ExternalIdTaken(MainstayError):
    """An external id is that of a document which the caller does not see."""

    kind = "conflict"
    code = "external_id_taken"
