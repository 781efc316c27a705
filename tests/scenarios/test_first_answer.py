"""The main job, over real sockets: a document goes in, an answer comes out, and all of it can be explained."""

from tests.support.system import TestSystem

HANDBOOK = """# Heron 3 handbook

## Warranty

The Heron 3 is covered by a warranty of 37 months from the day of purchase.

## Battery

The battery of the Heron 3 holds 5200 mAh and charges in two hours.
"""


async def test_answer_is_cited_metered_audited_and_explained(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    added = await member.add("heron.md", HANDBOOK, store_id=store_id)
    assert (added["status"], added["version"]) == ("completed", 1)
    assert added["chunk_count"] > 0

    body = {
        "model": "assistant/default",
        "input": "How long is the warranty of the Heron 3?",
        "tools": [{"type": "file_search", "vector_store_ids": [store_id]}],
        "include": ["file_search_call.results"],
        "metadata": {"conversation_id": "c-1"},
    }
    answer = await member.call("POST", "/v1/responses", json=body)
    search, message = answer["output"]
    (annotation, *_) = message["content"][0]["annotations"]
    assert "37 months" in annotation["quote"]
    assert HANDBOOK[annotation["start_char"] : annotation["end_char"]] == annotation["quote"]
    assert search["results"]

    receipt = await member.call("GET", f"/v1/answers/{answer['id']}/receipt")
    assert not receipt["source_changed"]
    assert receipt["request_id"] == answer["request_id"]
    assert receipt["passages"][0]["source_state"] == "current"
    assert {"embed", "search", "generate", "total"} <= receipt["stages_ms"].keys()

    usage = await member.call("GET", f"/v1/usage?by=feature&request_id={answer['request_id']}")
    assert {call["kind"] for call in usage["data"]} == {"embedding", "chat"}
    assert usage["cost_per_conversation"]["conversations"] == 1
    audit = await member.call("GET", f"/v1/audit?request_id={answer['request_id']}")
    assert [row["action"] for row in audit["data"]] == ["answer.finish", "answer.begin"]


async def test_changed_source_marks_the_old_answer_and_feeds_the_new_one(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    await member.add("heron.md", HANDBOOK, store_id=store_id, external_id="heron")
    body = {
        "input": "How long is the warranty of the Heron 3?",
        "tools": [{"type": "file_search", "vector_store_ids": [store_id]}],
    }
    first = await member.call("POST", "/v1/responses", json=body)
    same = await member.add("heron.md", HANDBOOK, store_id=store_id, external_id="heron")
    assert same["version"] == 1
    changed = await member.add("heron.md", HANDBOOK.replace("37", "41"), store_id=store_id, external_id="heron")
    assert (changed["version"], changed["status"]) == (2, "completed")
    second = await member.call("POST", "/v1/responses", json=body)
    assert "41 months" in second["output"][1]["content"][0]["annotations"][0]["quote"]
    receipt = await member.call("GET", f"/v1/answers/{first['id']}/receipt")
    assert receipt["source_changed"]
    assert "37 months" in receipt["citations"][0]["quote"]
    found = await member.call("POST", f"/v1/vector_stores/{store_id}/search", json={"query": "37 months warranty"})
    assert all("37 months" not in one["content"][0]["text"] for one in found["data"])


async def test_question_without_support_is_refused(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    await member.add("heron.md", HANDBOOK, store_id=store_id)
    body = {
        "input": "Who won the chess olympiad in 1972?",
        "tools": [{"type": "file_search", "vector_store_ids": [store_id]}],
    }
    answer = await member.call("POST", "/v1/responses", json=body)
    assert answer["answered"] is False
    assert "don't know" in answer["output"][1]["content"][0]["text"]
    assert answer["output"][1]["content"][0]["annotations"] == []


async def test_empty_and_unknown_files_end_with_a_reason(system: TestSystem) -> None:
    member = await system.member()
    store_id = await member.make_store()
    blank = await member.add("blank.txt", "   \n\n ", store_id=store_id)
    assert blank["status"] == "failed"
    assert blank["last_error"]["code"] == "empty"
    await member.call("POST", "/v1/files", files={"file": ("none.txt", b"")}, status=400)
