"""Zip containers (Office, OpenDocument, EPUB) read under limits that are counted while inflating."""

import io
import posixpath
import zipfile
import zlib

from mainstay.knowledge.documents.parsed import ParseRejected
from mainstay.knowledge.documents.parsers import safe_xml
from mainstay.knowledge.documents.parsers.limits import MIB, ParseLimits

_ENTRY_MARK = b"PK\x01\x02"
_READ_BYTES = 1 * MIB
_ENCRYPTED_FLAG = 0x1


class Archive:
    """A zip file whose members are read one by one; everything inflated counts towards one budget."""

    def __init__(self, data: bytes, limits: ParseLimits) -> None:
        """Read the directory. Raises ParseRejected (`broken`, `oversized`, `encrypted`)."""
        # The directory is counted before zipfile builds an object per entry: a million entries would cost minutes.
        if data.count(_ENTRY_MARK) > limits.archive_entries_max:
            raise ParseRejected(
                "oversized",
                f"The archive holds more than {limits.archive_entries_max:,} entries; split it into smaller files.",
            )
        self._limits = limits
        self._packed = len(data)
        self._inflated = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise ParseRejected(
                "broken",
                f"The archive's directory cannot be read ({error}); the file may be cut off, so upload it again.",
            ) from None
        entries = self._zip.infolist()
        self.names: tuple[str, ...] = tuple(entry.filename for entry in entries)
        if any(entry.flag_bits & _ENCRYPTED_FLAG for entry in entries):
            raise ParseRejected(
                "encrypted", "The archive is protected by a password; save it without one and upload it again."
            )
        self._check(sum(entry.file_size for entry in entries))

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def read(self, name: str) -> bytes:
        """Return the member `name`, inflated. Raises ParseRejected (`broken`, `oversized`)."""
        parts: list[bytes] = []
        try:
            with self._zip.open(name) as member:
                while part := member.read(_READ_BYTES):
                    self._inflated += len(part)
                    self._check(self._inflated)
                    parts.append(part)
        except KeyError:
            raise ParseRejected(
                "broken", f"The file lacks its part {name!r}; save it again and upload it anew."
            ) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise ParseRejected(
                "broken", f"The part {name!r} cannot be unpacked ({error}); save the file again and upload it anew."
            ) from None
        return b"".join(parts)

    def read_xml(self, name: str) -> safe_xml.Element:
        """Return the root element of the member `name`."""
        return safe_xml.parse_xml(self.read(name), name)

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the Office relations of `part` as {id: (type's last word, path in the archive)}, inner ones only."""
        folder, _, leaf = part.rpartition("/")
        name = posixpath.join(folder, "_rels", f"{leaf}.rels")
        if name not in self.names:
            return {}
        found: dict[str, tuple[str, str]] = {}
        for relation in self.read_xml(name):
            target = relation.get("Target", "")
            if relation.get("TargetMode") == "External":
                continue
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
            found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], path)
        return found

    def _check(self, inflated: int) -> None:
        limits = self._limits
        if inflated > limits.archive_bytes_max:
            raise ParseRejected(
                "oversized",
                f"The archive unpacks to more than {limits.archive_bytes_max // MIB} MiB; split it into smaller files.",
            )
        if inflated > limits.archive_ratio_from_bytes and inflated > self._packed * limits.archive_ratio_max:
            raise ParseRejected(
                "oversized",
                f"The archive unpacks to more than {limits.archive_ratio_max} times its size, as only traps do; "
                "upload the documents in it one by one.",
            )
