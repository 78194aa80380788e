"""Reads a golden bucket with what OnDiskFormat.md says under "In a bucket", and nothing of the
program: every chunk and every other file must have the hash that expected.json gives, and there may
be no others.

    read_bucket.py BUCKET EXPECTED     BUCKET has the bucket's objects as files
"""

import hashlib
import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path

ENVELOPE = 40
INLINE = 0xFFFFFFFF
seen: Counter[str] = Counter()
"""What was met, by kind."""


def demand(holds: object, what: str) -> None:
    if not holds:
        sys.exit(f"read_bucket.py: {what}")


def opened(path: Path) -> tuple[int, bytes] | None:
    """Epoch and content of what has an envelope; None of a file that was removed."""
    data = path.read_bytes()
    magic, epoch = struct.unpack("<8sQ", data[:16])
    if magic == b"SDGONE01":
        demand(len(data) == 32, f"{path} ends at 32")
        return None
    demand(magic == b"SDOBJ001" and len(data) >= ENVELOPE and not any(data[32:ENVELOPE]),
           f"{path} begins with an envelope")
    return epoch, data[ENVELOPE:]


def lease(path: Path) -> dict[str, str]:
    """The fields of the lease."""
    found = opened(path)
    demand(found, "the lease is there")
    epoch, content = found
    lines = [line.partition(" ") for line in content.decode().splitlines()]
    fields = {name: value for name, _, value in lines}
    demand(len(fields) == len(lines) and set(fields) == {
        "sealdisk-lease", "epoch", "floor", "holder", "term", "renewed", "name"}, "lease's lines")
    demand(fields["sealdisk-lease"] == "1", "a lease of version 1")
    demand(re.fullmatch("[0-9a-f]{32}|none", fields["holder"]), "a holder")
    demand(epoch <= int(fields["epoch"]) and int(fields["floor"]) <= int(fields["epoch"]),
           "epochs in order")
    return fields


def chunk(name: str, index: bytes, data: Path, named: set[Path]) -> bytes:
    """'The index of a chunk', and what it points to."""
    magic, length, objects, extents, inline, compacted = struct.unpack("<8sQIIII", index[:32])
    demand(magic == b"SDCHUNK1" and length <= 1 << 33 and extents <= 65536 and compacted <= 1,
           f"the head of {name}")
    extents_at = 32 + 16 * objects
    inline_at = extents_at + 32 * extents
    demand(len(index) == inline_at + inline, f"the length of {name}'s index")
    sources = []
    for place in range(objects):
        number, drawn = struct.unpack_from("<QQ", index, 32 + 16 * place)
        path = data / name / f"{number:016x}-{drawn:016x}"
        named.add(path)
        sources.append(path.read_bytes())
    content, end = bytearray(length), 0
    for place in range(extents):
        offset, count, source, zero, at = struct.unpack_from(
            "<QQIIQ", index, extents_at + 32 * place)
        demand(offset >= end and count and offset + count <= length and zero == 0,
               f"extents of {name} ascend")
        end = offset + count
        found = index[inline_at:] if source == INLINE else sources[source]
        demand(at + count <= len(found), f"an extent of {name} lies in what it names")
        content[offset:end] = found[at:at + count]
        seen["in the index" if source == INLINE else "in data objects"] += 1
    seen["put anew"] += compacted
    return bytes(content)


def main() -> None:
    bucket, expected = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    floor = int(lease(bucket / "lease")["floor"])
    objects: dict[str, str] = {}
    chunks: dict[str, dict[str, object]] = {}
    named: set[Path] = set()
    for path in sorted(each for each in bucket.rglob("*") if each.is_file()):
        kind, _, name = str(path.relative_to(bucket)).partition("/")
        if kind in ("objects", "chunks"):
            found = opened(path)
            if found is None:
                seen["removed"] += 1
            elif kind == "chunks":
                content = chunk(name, found[1], bucket / "data", named)
                chunks[name] = {"length": len(content),
                                "sha256": hashlib.sha256(content).hexdigest()}
            elif found[0] < floor:
                seen["below the floor"] += 1
            else:
                objects[name] = hashlib.sha256(found[1]).hexdigest()
        elif kind.startswith("proof-"):
            seen["proofs"] += 1
        else:
            demand(kind in ("lease", "data"), f"{path} belongs to the layout")
    demand(objects == expected["objects"], f"the objects hold what they held: {objects}")
    demand(chunks == expected["chunks"], f"the chunks hold what they held: {chunks}")
    data = {path for path in (bucket / "data").rglob("*") if path.is_file()}
    seen["data that no index names"] += len(data - named)
    for kind, count in seen.items():
        print(f"{kind}: {count}")


main()
