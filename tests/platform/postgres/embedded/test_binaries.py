import stat
from pathlib import Path

import pytest

from mainstay.platform.postgres.embedded import BinariesMissing, UnsupportedPlatform
from mainstay.platform.postgres.embedded.binaries import check_platform, copy_binaries, find_binaries
from mainstay.platform.postgres.embedded.configuration import configuration


def test_find_binaries_installed_wheel_has_what_a_server_needs() -> None:
    binaries = find_binaries()
    assert binaries.major() == "18"
    assert (binaries.root / "lib" / "vector.so").exists() or (binaries.root / "lib" / "vector.dylib").exists()


def test_find_binaries_no_wheel_is_one_sentence() -> None:
    with pytest.raises(BinariesMissing, match=r"run `make install`, or give a database of your own") as raised:
        find_binaries("no_such_package_of_postgres")
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64"), ("FreeBSD", "amd64"), ("", "")]
)
def test_check_platform_without_binaries_is_one_sentence(system: str, machine: str) -> None:
    with pytest.raises(UnsupportedPlatform, match=r"not for .* on .*: give a database of your own") as raised:
        check_platform(system, machine)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_check_platform_with_binaries_passes(machine: str) -> None:
    check_platform("Linux", machine)


def test_copy_binaries_is_readable_and_replaces_other_versions(tmp_path: Path) -> None:
    (tmp_path / "17.1" / "old").mkdir(parents=True)
    copy = copy_binaries(find_binaries(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [copy.version]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {0o755, 0o644}
    assert not list(tmp_path.rglob("*.py"))
    before = copy.program("postgres").stat().st_mtime_ns
    copy_binaries(find_binaries(), tmp_path)
    assert copy.program("postgres").stat().st_mtime_ns == before


def test_configuration_values_are_quoted() -> None:
    text = configuration("mainstay-1", {"application_name": "it's", "fsync": "off"})
    assert "cluster_name = 'mainstay-1'\n" in text
    assert "application_name = 'it''s'\n" in text
    assert "fsync = 'off'\n" in text
    assert "fsync = 'on'\n" not in text
