"""What is shared with a tenant is changed by its staff alone: a customer's documents must not speak to the others."""

from typing import Any

import pytest

from tests.support.system import Member, TestSystem

TEXT = "The ferry sails at noon."


async def _denied(customer: Member, staff: Member, method: str, path: str, **options: Any) -> None:
    refused = await customer.http.request(method, path, **options)
    assert refused.status_code == 403, refused.text
    assert "documents.share" in refused.json()["error"]["message"]
    rows = await staff.call("GET", f"/v1/audit?request_id={refused.headers['x-request-id']}")
    assert [row["action"] for row in rows["data"]] == ["access.deny"]


async def test_customer_cannot_change_what_is_shared(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    store_id = await staff.make_store("shared")
    kept = await staff.add("ferry.txt", TEXT, store_id=store_id)
    own = await customer.call("POST", "/v1/files", files={"file": ("own.txt", b"The ferry never sails.")})
    store, file = f"/v1/vector_stores/{store_id}", f"/v1/files/{kept['id']}"
    await customer.call("GET", store)
    await _denied(customer, staff, "POST", f"{store}/files", json={"file_id": own["id"]})
    await _denied(customer, staff, "POST", f"{store}/files", json={"file_id": kept["id"]})
    body = {"name": "shared", "reuse": True, "file_ids": [own["id"]]}
    await _denied(customer, staff, "POST", "/v1/vector_stores", json=body)
    await _denied(customer, staff, "POST", store, json={"name": "mine now"})
    await _denied(customer, staff, "POST", f"{store}/file_batches", json={"file_ids": [own["id"]]})
    batch = (await staff.call("POST", f"{store}/file_batches", json={"file_ids": [kept["id"]]}))["id"]
    await _denied(customer, staff, "POST", f"{store}/file_batches/{batch}/cancel")
    await _denied(customer, staff, "POST", f"{store}/files/{kept['id']}", json={"attributes": {"seen": "yes"}})
    await _denied(customer, staff, "DELETE", f"{store}/files/{kept['id']}")
    await _denied(customer, staff, "DELETE", store)
    await _denied(customer, staff, "DELETE", file)
    assert (await staff.call("GET", store))["file_counts"]["completed"] == 1


async def test_customer_cannot_share(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    await _denied(customer, staff, "POST", "/v1/vector_stores", json={"name": "x", "visibility": "tenant"})
    file, shared = {"file": ("a.txt", b"x")}, {"visibility": "tenant"}
    await _denied(customer, staff, "POST", "/v1/files", files=file, data=shared)


async def test_customer_changes_what_is_its_own(system: TestSystem) -> None:
    customer = await system.member("customer", of=await system.member("owner"))
    store_id = await customer.make_store()
    kept = await customer.add("ferry.txt", TEXT, store_id=store_id)
    await customer.call("DELETE", f"/v1/vector_stores/{store_id}/files/{kept['id']}")
    await customer.call("DELETE", f"/v1/files/{kept['id']}")
    await customer.call("DELETE", f"/v1/vector_stores/{store_id}")


@pytest.mark.parametrize("store", ["shared", "of another"])
async def test_private_file_is_not_put_where_others_would_find_it(system: TestSystem, store: str) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    store_id = await (staff if store == "shared" else customer).make_store()
    file = {"file": ("a.txt", TEXT.encode())}
    private = await staff.call("POST", "/v1/files", files=file, data={"visibility": "private"})
    body = {"file_id": private["id"]}
    refused = await staff.call("POST", f"/v1/vector_stores/{store_id}/files", json=body, status=400)
    assert refused["error"]["code"] == "private_file"


async def test_staff_puts_a_customers_file_into_the_customers_store(system: TestSystem) -> None:
    staff = await system.member("owner")
    customer = await system.member("customer", of=staff)
    store_id = await customer.make_store()
    upload = await customer.call("POST", "/v1/files", files={"file": ("a.txt", TEXT.encode())})
    await staff.call("POST", f"/v1/vector_stores/{store_id}/files", json={"file_id": upload["id"]})
    assert (await customer.ended(store_id, upload["id"]))["status"] == "completed"
    path = f"/v1/vector_stores/{store_id}/search"
    assert (await customer.call("POST", path, json={"query": "ferry"}))["data"][0]["filename"] == "a.txt"
