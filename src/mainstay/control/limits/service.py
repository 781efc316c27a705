"""The rules of limits: which plans there are and who has which, and the caps that an admin sets."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from mainstay.control.audit import service as audit
from mainstay.control.limits import store
from mainstay.control.limits.errors import UnknownPlan
from mainstay.control.limits.models import UNLIMITED, Limits, Plan
from mainstay.kernel.errors import Invalid
from mainstay.kernel.ids import decode_id, encode_id, not_found
from mainstay.platform.postgres import KeyholeTx, ReadTx, WriteTx

PER_SECOND_MIN, PER_SECOND_MAX = 0.001, 1e6
BURST_MAX = 10_000_000
PER_HOUR_MAX = 1_000_000_000


@dataclass(frozen=True)
class CappedSubject:
    """A key or a principal as the API names it."""

    id: UUID
    outer_id: str


def checked(limits: Limits) -> Limits:
    """Return `limits` with a burst where there is a rate (one second of it); raises Invalid where one cannot be."""
    rate, burst, per_hour = limits.requests_per_second, limits.requests_burst, limits.requests_per_hour
    if rate is not None and not PER_SECOND_MIN <= rate <= PER_SECOND_MAX:
        sentence = f"requests_per_second is {PER_SECOND_MIN:g} to {PER_SECOND_MAX:,.0f}, not {rate:g}."
        raise Invalid(sentence, param="requests_per_second")
    if burst is not None and (rate is None or not 1 <= burst <= BURST_MAX):
        sentence = f"requests_burst is 1 to {BURST_MAX:,}, beside requests_per_second; not {burst}."
        raise Invalid(sentence, param="requests_burst")
    if per_hour is not None and not 0 <= per_hour <= PER_HOUR_MAX:
        sentence = f"requests_per_hour is 0 to {PER_HOUR_MAX:,}, not {per_hour}."
        raise Invalid(sentence, param="requests_per_hour")
    return Limits(rate, burst if burst or rate is None else max(1, round(rate)), per_hour)


async def plans(tx: KeyholeTx) -> Sequence[Plan]:
    """Return all plans, with the two for requests without a key at the end."""
    return await store.list_plans(tx)


async def plan_of_tenant(tx: ReadTx) -> str | None:
    """Return the name of the plan of the tenant of the scope."""
    return await store.plan_of_tenant(tx)


async def put_on_plan(tx: WriteTx, plan: str) -> None:
    """Put the tenant of the scope on `plan`, as the owner of the schema; raises UnknownPlan."""
    found = await store.find_plan(tx, plan)
    if found is None or not found.for_tenants:
        names = ", ".join(one.name for one in await store.list_plans(tx) if one.for_tenants)
        raise UnknownPlan(f"There is no plan named '{plan[:80]}' for tenants: choose one of {names}.", param="plan")
    await store.update_tenant_plan(tx, plan)
    target = encode_id("ten_", tx.scope.tenant_id)
    await audit.record(tx, "tenant.set_plan", target_id=target, facts={"plan": plan})


async def changed_plan(tx: KeyholeTx, name: str, change: Limits) -> Plan:
    """Return the plan called `name` with those limits that `change` gives; raises UnknownPlan or Invalid."""
    found = await store.find_plan(tx, name)
    if found is None:
        names = ", ".join(one.name for one in await store.list_plans(tx))
        raise UnknownPlan(f"There is no plan named '{name[:80]}': choose one of {names}.", param="plan")
    given = {field: value for field, value in asdict(change).items() if value is not None}
    return replace(found, limits=checked(replace(found.limits, **given)))


async def tenants_of_plan(tx: KeyholeTx, plan: str) -> Sequence[UUID]:
    """Return the tenants that have a plan, as the owner of the schema."""
    return await store.tenants_of_plan(tx, plan)


async def change_plan(tx: WriteTx, plan: Plan) -> None:
    """Change what a plan allows, as the owner of the schema."""
    await store.update_plan(tx, plan.name, plan.limits)


async def record_plan_change(tx: WriteTx, plan: Plan) -> None:
    """Tell the tenant of the scope, whose plan it is, that it allows something else from now on."""
    await audit.record(tx, "plan.change", facts={"plan": plan.name, **_facts(plan.limits)})


def capped_subject(outer_id: str) -> CappedSubject:
    """Return the key or principal of an outer id; raises NotFound for one of neither form."""
    subject_id = decode_id("usr_" if outer_id.startswith("usr_") else "key_", outer_id)
    return CappedSubject(subject_id, outer_id)


async def set_cap(tx: WriteTx, outer_id: str, limits: Limits) -> Limits:
    """Give a key or a principal limits of its own, or with none of them take them away; return them.

    Raises NotFound and Invalid. They hold beside those of the tenant's plan, everywhere within a second.
    """
    limits = checked(limits)
    subject = capped_subject(outer_id)
    await _require_subject(tx, subject)
    if limits == UNLIMITED:
        await store.delete_cap(tx, subject.id)
        await audit.record(tx, "cap.remove", target_id=outer_id)
        return limits
    await store.upsert_cap(tx, subject.id, limits)
    await audit.record(tx, "cap.set", target_id=outer_id, facts=_facts(limits))
    return limits


async def _require_subject(tx: ReadTx, subject: CappedSubject) -> None:
    is_principal = subject.outer_id.startswith("usr_")
    found = await (store.is_principal if is_principal else store.is_key)(tx, subject.id)
    if not found:
        raise not_found("usr_" if is_principal else "key_", subject.id)


async def record_reached(tx: WriteTx, outer_id: str, subject_id: UUID, *, hour: int, requests_per_hour: int) -> None:
    """Tell that a cap stopped a key or principal for the rest of an hour; once an hour, whoever calls."""
    if await store.mark_reached(tx, subject_id, hour):
        facts = {"requests_per_hour": requests_per_hour, "hour": hour}
        await audit.record(tx, "cap.reach", outcome="denied", target_id=outer_id, facts=facts)


def _facts(limits: Limits) -> dict[str, str | int | None]:
    rate = limits.requests_per_second
    return {
        "requests_per_second": None if rate is None else f"{rate:g}",
        "requests_burst": limits.requests_burst,
        "requests_per_hour": limits.requests_per_hour,
    }
