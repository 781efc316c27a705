"""The reference of permissions is the declared table, and a stale one fails the check."""

from dataclasses import replace
from pathlib import Path

from mainstay.control.access.operations import DECLARED
from tools.dump_permissions import TARGET
from tools.permissions_reference import permissions_reference


def test_reference_is_what_the_table_says() -> None:
    assert Path(TARGET).read_text("utf-8") == permissions_reference(DECLARED)


def test_each_change_of_the_table_changes_the_reference() -> None:
    text = permissions_reference(DECLARED)
    operation = DECLARED.operations["GET /v1/audit"]
    for changed in (
        replace(DECLARED, operations={**DECLARED.operations, operation.name: replace(operation, permission="ask")}),
        replace(DECLARED, permissions={**DECLARED.permissions, "customer": frozenset()}),
        replace(DECLARED, sees_all=DECLARED.sees_all - {"engineer"}),
        replace(DECLARED, public={}),
    ):
        assert permissions_reference(changed) != text
