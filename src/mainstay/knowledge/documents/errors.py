"""What can go wrong with files, stores and documents."""

from mainstay.kernel.errors import MainstayError


class FileTooLarge(MainstayError):
    """An upload is over its limit."""

    code = "file_too_large"


class PrivateFile(MainstayError):
    """A private file would be shown to whoever sees the store."""

    code = "private_file"


class EmptyFile(MainstayError):
    """An upload has no bytes."""

    code = "empty_file"


class ExternalIdTaken(MainstayError):
    """An external id is that of a document which the caller does not see."""

    kind = "conflict"
    code = "external_id_taken"
