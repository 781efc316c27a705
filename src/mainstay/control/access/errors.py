"""What can go wrong at the door."""

from mainstay.kernel.errors import MainstayError


class InvalidKey(MainstayError):
    """The key is missing, unknown, expired or revoked; which of these is not told."""

    kind = "unauthenticated"
    code = "invalid_api_key"


class PermissionDenied(MainstayError):
    """The role of the caller does not include the permission."""

    kind = "denied"
    code = "permission_denied"
