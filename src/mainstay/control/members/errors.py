"""What can go wrong with members."""

from mainstay.kernel.errors import MainstayError


class AboveYourOwn(MainstayError):
    """The caller would give, change or take away what reaches further than its own role and key."""

    kind = "denied"
    code = "above_your_own"


class LastOwner(MainstayError):
    """The tenant would be left without an owner."""

    kind = "conflict"
    code = "last_owner"


class GroupExists(MainstayError):
    """A group of this name stands already."""

    kind = "conflict"
    code = "group_exists"
