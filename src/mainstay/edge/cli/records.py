"""`mainstay usage` and `audit`."""

from typing import Annotated, Any, Literal

import typer

from mainstay.edge.cli.connection import connect
from mainstay.edge.cli.output import JsonFlag, console, moment, print_json, print_table

Limit = Annotated[int, typer.Option(min=1, max=100, help="How many of the newest rows.")]


def usage(
    by: Annotated[Literal["feature", "model", "conversation"] | None, typer.Option(help="Add up by this.")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 30,
    limit: Limit = 20,
    as_json: JsonFlag = False,
) -> None:
    """Show what model calls took and cost."""
    with connect() as client:
        params: dict[str, Any] = {"days": days, "limit": limit, **({"by": by} if by else {})}
        found = client.call("GET", "/v1/usage", params=params)
    if as_json:
        print_json(found)
        return
    columns = [by or "", "calls", "tokens in", "tokens out", "P50 ms", "P95 ms", "P99 ms", "cost"]
    print_table(columns, [_group(one) for one in (*found["groups"], {**found["total"], "key": "total"})])
    costs = found["cost_per_conversation"]
    console.print(f"\nP95 cost per conversation: {costs['p95_cost_usd']} over {costs['conversations']} conversations\n")
    columns = ["at", "feature", "model", "in", "out", "ms", "cost", "request"]
    print_table(columns, [_call(one) for one in found["data"]])


def _group(one: dict[str, Any]) -> list[Any]:
    latencies = [one["latency_ms_p50"], one["latency_ms_p95"], one["latency_ms_p99"]]
    return [one["key"], one["calls"], one["input_tokens"], one["output_tokens"], *latencies, one["cost_usd"]]


def _call(one: dict[str, Any]) -> list[Any]:
    tokens = [one["input_tokens"], one["output_tokens"]]
    return [
        moment(one["at"]),
        one["feature"],
        one["model"],
        *tokens,
        one["latency_ms"],
        one["cost_usd"],
        one["request_id"],
    ]


def audit(limit: Limit = 20, as_json: JsonFlag = False) -> None:
    """Show who did what, newest first."""
    with connect() as client:
        found = client.call("GET", "/v1/audit", params={"limit": limit})
    if as_json:
        print_json(found)
        return
    rows = [
        (moment(one["at"]), one["action"], one["outcome"], one["target_id"], one["request_id"]) for one in found["data"]
    ]
    print_table(["at", "action", "outcome", "target", "request"], rows)
