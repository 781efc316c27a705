"""What an operator reads is written down in the tenant that it looks into, before it sees anything."""

import re

from fastapi import Request

from mainstay.control.access.door import Permitted, operation_of
from mainstay.control.audit import service

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


async def operator_audited(request: Request, caller: Permitted) -> None:
    """Record the operation that an operator is about to read by; every route of a tenant's things depends on this.

    The row is committed first: what cannot be audited is not read, and the tenant sees also what was only tried.
    """
    if caller.role != "operator":
        return
    named = next((value for value in request.path_params.values() if _ID.fullmatch(str(value))), None)
    async with request.app.state.database.write(caller.scope) as tx:
        facts = {"operation": operation_of(request)}
        await service.record(tx, "operator.read", outcome="answered", target_id=named, facts=facts)
