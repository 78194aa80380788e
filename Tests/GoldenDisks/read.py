"""Reads a golden store with what OnDiskFormat.md says, and nothing of the program: every disk and
snapshot must have the hash that expected.json gives, every sealed file must be whole and authentic
and hold its snapshot. Section numbers and names are those of the document.

    read.py FOLDER EXPECTED     FOLDER has store, keystore and sealed
"""

import ctypes
import hashlib
import hmac
import json
import struct
import sys
from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = 4096
DATA, PAGE, DISCARD, CHECKPOINT, VOID = range(1, 6)
KINDS = {DATA: "data", PAGE: "map page", DISCARD: "discard", CHECKPOINT: "checkpoint", VOID: "void"}
VOID_DESCRIPTOR = bytes([VOID]) + bytes(15)
seen: Counter[int] = Counter()
"""Slots that were opened, by kind."""


def demand(holds: object, what: str) -> None:
    if not holds:
        sys.exit(f"read.py: {what}")


# Cryptography

def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """32 bytes: one block of the expansion."""
    return mac(mac(salt or bytes(32), key), info + b"\1")


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_128bits.restype = Hash128
xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def xxh3(data: bytes) -> bytes:
    found = xxhash.XXH3_128bits(data, len(data))
    return struct.pack(">QQ", found.high, found.low)


def gcm_open(
        key: bytes, nonce: bytes, sealed: bytes, tag: bytes, more: bytes = b"") -> bytes | None:
    try:
        return AESGCM(key).decrypt(nonce, sealed + tag, more)
    except Exception:  # whatever it is, it does not open
        return None


def gcm_first(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    """The plaintext of a beginning, whose tag nobody has: in GCM, what encrypting it gives."""
    return AESGCM(key).encrypt(nonce, sealed, None)[:len(sealed)]


# Keys

class Keystore:
    """'The keystore', opened by its key file."""

    def __init__(self, folder: Path):
        outer = json.loads((folder / "keystore.json").read_text())
        payload = json.loads(outer["payload"])
        salt = bytes.fromhex(payload["unlocker"]["salt"])
        demand(payload["unlocker"]["kind"] == "key-file", "a keystore for a key file")
        root = mac(salt, (folder / "key-file").read_bytes())
        seal, check, authentic = (
            hkdf(root, salt, b"sealdisk keystore 1 " + name)
            for name in (b"seal", b"check", b"mac"))
        demand(outer["check"] == check[:16].hex(), "the key file opens the keystore")
        demand(outer["mac"] == mac(authentic, outer["payload"].encode()).hex(), "keystore's MAC")
        self.keys = {each["keyID"]: self.open(each, seal) for each in payload["keys"]}

    @staticmethod
    def open(key: dict, seal: bytes) -> bytes:
        from datetime import datetime
        created = int(datetime.fromisoformat(key["created"].replace("Z", "+00:00")).timestamp())
        sealed = bytes.fromhex(key["sealed"])
        more = b"".join(map(text, ("sealdisk customer master key 1", key["keyID"], key["alias"],
                                   key["account"], key["region"]))) + struct.pack("<q", created)
        found = gcm_open(seal, sealed[:12], sealed[12:44], sealed[44:], more)
        demand(found, "the CMK opens")
        return found

    def unwrap(self, key_id: str, wrapped: bytes, store: str, lineage: str, epoch: int) -> bytes:
        demand(len(wrapped) == 61 and wrapped[0] == 1, "a wrapped key")
        more = b"".join(map(text, ("sealdisk wrapped data key 1", key_id, store, lineage)))
        found = gcm_open(self.keys[key_id], wrapped[1:13], wrapped[13:45], wrapped[45:],
                         more + struct.pack("<IH", epoch, 1))
        demand(found, "the data key unwraps")
        return found


class Keys:
    """A lineage's: 'Keys'."""

    def __init__(self, lineage: str, suite: int, epoch: int, data_key: bytes):
        self.lineage, self.suite, self.epoch = bytes.fromhex(lineage), suite, epoch
        self.data_key = data_key

    def derive(self, label: str, salt: bytes = b"", chunk: int = 0, names: bytes = b"") -> bytes:
        return hkdf(self.data_key, salt,
                    label.encode().ljust(16, b"\0") + struct.pack("<HHI", 1, self.suite, self.epoch)
                    + self.lineage + struct.pack("<Q", chunk) + names)


# Slots

class Descriptor:
    def __init__(self, data: bytes):
        self.kind, self.level = data[0], data[1]
        self.durable, self.index, self.length = (
            int.from_bytes(part, "little") for part in (data[2:5], data[5:10], data[10:]))
        self.has_body = self.kind in (DATA, PAGE, CHECKPOINT)

    def is_valid(self) -> bool:
        return (self.kind in (DATA, PAGE, DISCARD, CHECKPOINT) and self.durable <= 1 << 20
                and (self.level <= 3 if self.kind == PAGE else self.level == 0)
                and (self.kind != CHECKPOINT or self.index == 0)
                and (self.length > 0 if self.kind == DISCARD else self.length == 1)
                and self.index + self.length <= 1 << 36)


class Chunk:
    """'A chunk file'."""

    def __init__(self, path: Path, number: int, keys: Keys, session: dict):
        self.number, self.keys, self.salt = number, keys, bytes.fromhex(session["salt"])
        self.bytes = path.read_bytes()
        head = self.bytes[:BLOCK]
        demand(hmac.compare_digest(mac(keys.derive("header"), head[:480]), head[480:512]),
               f"the header of {path} is authentic")
        demand(not any(head[512:]), "zeros behind the header")
        (magic, version, suite, block, self.slots, lineage, found, owner, salt, before, before_slot,
         durable, durable_slot) = struct.unpack("<8sHHII16sQQ32sQIQI", head[:108])
        demand((magic, version, suite, block, lineage, found, owner, salt) ==
               (b"SEALDISK", 1, keys.suite, BLOCK, keys.lineage, number, session["number"],
                self.salt), f"the header of {path} is its own")
        self.predecessor = (before, before_slot) if before else None
        self.durable = (durable, durable_slot) if durable else None
        self.bodies = BLOCK + -(-self.slots * 32 // BLOCK) * BLOCK
        self.key = keys.derive("chunk", self.salt, number)

    def open(self, slot: int) -> tuple[Descriptor, bytes] | None:
        """Descriptor and body; None if it does not open."""
        demand(slot < self.slots, "a slot of the chunk")
        at, place = BLOCK + slot * 32, self.bodies + slot * BLOCK
        entry = self.bytes[at:at + 32].ljust(32, b"\0")
        body = self.bytes[place:place + BLOCK].ljust(BLOCK, b"\0")
        found = (self.open_sealed if self.keys.suite else self.open_plain)(slot, entry, body)
        if found:
            seen[found[0].kind] += 1
        return found

    def open_sealed(self, slot: int, entry: bytes, body: bytes) -> tuple[Descriptor, bytes] | None:
        nonce = struct.pack("<IQ", 1, slot)
        descriptor = Descriptor(gcm_first(self.key, nonce, entry[:16]))
        if descriptor.is_valid():
            sealed = entry[:16] + (body if descriptor.has_body else b"")
            found = gcm_open(self.key, nonce, sealed, entry[16:])
            return found and (descriptor, found[16:])
        found = gcm_open(self.key, struct.pack("<IQ", 2, slot), entry[:16], entry[16:])
        return (Descriptor(found), b"") if found == VOID_DESCRIPTOR else None

    def open_plain(self, slot: int, entry: bytes, body: bytes) -> tuple[Descriptor, bytes] | None:
        is_void = entry[:16] == VOID_DESCRIPTOR
        descriptor = Descriptor(entry[:16])
        if not descriptor.is_valid() and not is_void:
            return None
        body = body if descriptor.has_body else b""
        found = xxh3(self.keys.lineage + self.salt
                     + struct.pack("<QII", self.number, slot, 2 if is_void else 1)
                     + entry[:16] + body)
        return (descriptor, body) if found == entry[16:] else None


# A lineage

class Lineage:
    """A folder of 'lineages': its manifests, chunks and maps."""

    def __init__(self, folder: Path, store: str, keystore: Keystore):
        self.folder, name = folder, folder.name
        lines = (folder / "lineage.manifest").read_bytes().split(b"\n")
        key = json.loads(lines[1])
        data_key = bytes(32) if key["suite"] == 0 else keystore.unwrap(
            key["keyID"], bytes.fromhex(key["wrappedKey"]), key.get("store", store), name,
            key["epoch"])
        self.keys = Keys(name, key["suite"], key["epoch"], data_key)
        demand(self.keys.derive("key-check").hex() == key["keyCheck"], "the key check")
        payload = self.manifest("lineage", name, "lineage.manifest")
        self.sessions = json.loads(payload[1])["sessions"]
        self.chunks: dict[int, Chunk] = {}

    def manifest(self, kind: str, name: str, path: str) -> list[bytes]:
        """'Manifests': the payload's lines, authenticated."""
        data = (self.folder / path).read_bytes()
        *lines, last, end = data.split(b"\n")
        signed = b"".join(line + b"\n" for line in lines)
        demand(end == b"" and last.decode() ==
               "hmac-sha-256 " + mac(self.keys.derive("manifest"), signed).hex(), f"MAC of {path}")
        first = lines[0].decode().split(" ")
        demand(first[:5] == ["sealdisk-manifest", "1", kind, name, self.folder.name] and
               int(first[5]) > 0, f"the first line of {path}")
        return lines[1:]

    def names(self, kind: str) -> list[str]:
        return sorted(path.stem for path in (self.folder / kind).glob("*.manifest"))

    def owner(self, chunk: int) -> dict:
        lane, sequence = chunk >> 32, chunk & 0xFFFFFFFF
        for session in self.sessions:
            if session["lane"] == lane and \
                    session["firstSequence"] <= sequence < session["endSequence"]:
                return session
        sys.exit(f"read.py: no session owns chunk {chunk:x}")

    def chunk(self, number: int) -> Chunk:
        if number not in self.chunks:
            lane, sequence = number >> 32, number & 0xFFFFFFFF
            path = (self.folder / "chunks" / f"{lane:04x}" / f"{sequence // 256:06x}"
                    / f"{sequence:08x}.chunk")
            self.chunks[number] = Chunk(path, number, self.keys, self.owner(number))
        return self.chunks[number]

    def read(self, address: int, kind: int, level: int, index: int) -> bytes:
        found = self.chunk(address >> 20).open(address & 0xFFFFF)
        demand(found and (found[0].kind, found[0].level, found[0].index) == (kind, level, index),
               f"{address:016x} is {KINDS[kind]} {index}")
        return found[1]

    def map(self, state: dict) -> dict[int, int]:
        """Addresses by block, of a state."""
        root = int(state["root"], 16)
        if root:
            owner = self.owner(root >> 20)
            demand(state["session"] == {"number": owner["number"], "salt": owner["salt"]},
                   "the state's session owns its root")
        found: dict[int, int] = {}
        self.walk(root, 3, 0, found)
        return found

    def walk(self, page: int, level: int, index: int, found: dict[int, int]) -> None:
        if page == 0:
            return
        session = self.owner(page >> 20)["number"]
        addresses = struct.unpack("<512Q", self.read(page, PAGE, level, index))
        for place, address in enumerate(addresses):
            if address == 0:
                continue
            demand(self.owner(address >> 20)["number"] <= session, "no address of a later session")
            if level:
                self.walk(address, level - 1, index << 9 | place, found)
            else:
                found[index << 9 | place] = address

    def content(self, blocks: dict[int, int], size: int) -> bytes:
        data = bytearray(size)
        for block, address in blocks.items():
            if block * BLOCK < size:
                data[block * BLOCK:(block + 1) * BLOCK] = self.read(address, DATA, 0, block)
        return bytes(data)

    # 'Recovery'

    def disk(self, name: str) -> bytes:
        payload = json.loads(self.manifest("disk", name, f"disks/{name}.manifest")[0])
        state, start, newest, generation = payload["origin"], None, None, 0
        if payload["checkpoints"]:
            newest = payload["checkpoints"][0]
            state, generation = newest["state"], newest["generation"]
            start = newest["replayFrom"]["chunk"], newest["replayFrom"]["slot"]
            record = self.record(self.read(int(newest["slot"], 16), CHECKPOINT, 0, 0), name)
            demand(record == (generation, state["size"], int(state["root"], 16),
                              state["storedBlocks"], *start), "the checkpoint that was named")
        end, log = self.log(name, start)
        size, changes = state["size"], []
        for address, descriptor, body in log:
            if descriptor.kind in (DATA, DISCARD):
                changes.append((address, descriptor))
            elif descriptor.kind == CHECKPOINT:
                record = self.record(body, name)
                if record[0] > generation:
                    generation, size, root = record[:3]
                    owner = self.owner(root >> 20) if root else {}
                    state = {"root": f"{root:016x}", "session": {
                        key: owner.get(key) for key in ("number", "salt")}}
                    cut = record[4] << 20 | record[5]
                    changes = [each for each in changes if each[0] >= cut]
        demand(newest is None or end > int(newest["slot"], 16), "the log's end is behind it")
        blocks = self.map(state)
        for address, descriptor in changes:
            for block in range(descriptor.index, descriptor.index + descriptor.length):
                if descriptor.kind == DATA:
                    blocks[block] = address
                else:
                    blocks.pop(block, None)
        pending = self.folder / "disks" / f"{name}.pending"
        if pending.exists():
            size = max(size, json.loads(pending.read_text())["size"])
        return self.content(blocks, size)

    @staticmethod
    def record(body: bytes, disk: str) -> tuple[int, ...]:
        magic, *numbers, name = struct.unpack("<8sQQQQQI22s", body[:74])
        demand((magic, name.decode(), any(body[74:])) == (b"SDCHKPT1", disk, False), "a record")
        return tuple(numbers)

    def log(self, disk: str, start: tuple[int, int] | None) -> tuple[int, list]:
        """Where it ends, as an address, and its slots from `start` on."""
        sessions = [each for each in self.sessions if each["disk"] == disk]
        if start:
            first = self.owner(start[0])["number"]
            sessions = [each for each in sessions if each["number"] >= first]
        here, log = start, []
        for place, session in enumerate(sessions):
            later = sessions[place + 1] if place + 1 < len(sessions) else None
            limit = None
            if later and "previousEnd" in later:
                limit = later["previousEnd"]["chunk"], later["previousEnd"]["slot"]
            if later and limit == here:
                continue
            numbers = self.existing(session)
            if start and place == 0:
                numbers = [number for number in numbers if number >= start[0]]
            here, missing = self.session(numbers, here, limit, log, start if place == 0 else None)
            demand(not (missing and later), "nothing is missing before a later session")
            demand(not later or here == limit, "the log goes to where the next session began")
        return (here[0] << 20) + here[1] if here else 0, log

    def session(self, numbers: list[int], here, limit, log: list, start) -> tuple:
        for place, number in enumerate(numbers):
            chunk = self.chunk(number)
            slot = start[1] if start and number == start[0] else 0
            if not (start and number == start[0]):
                demand(chunk.predecessor == here, "a chunk begins where the log stood")
                if place + 1 < len(numbers) and \
                        self.chunk(numbers[place + 1]).predecessor == chunk.predecessor:
                    continue
            last = limit[1] if limit and limit[0] == number else chunk.slots
            here = number, slot
            while slot < last:
                found = chunk.open(slot)
                if found is None:
                    self.demand_undurable(chunk, slot, numbers[place + 1:])
                    return here, True
                log.append((number << 20 | slot, *found))
                slot += 1
                here = number, slot
            if limit and limit[0] == number:
                break
        return here, False

    def demand_undurable(self, chunk: Chunk, missing: int, later: list[int]) -> None:
        for slot in range(missing + 1, chunk.slots):
            found = chunk.open(slot)
            demand(not found or found[0].durable <= missing, "a missing slot was not durable")
        for number in later:
            behind = self.chunk(number)
            demand(not behind.durable or behind.durable <= (chunk.number, missing), "nor by a mark")

    def existing(self, session: dict) -> list[int]:
        folder = self.folder / "chunks" / f"{session['lane']:04x}"
        numbers = (int(path.stem, 16) for path in folder.glob("*/*.chunk"))
        return sorted(session["lane"] << 32 | each for each in numbers
                      if session["firstSequence"] <= each < session["endSequence"])

    def survey(self) -> None:
        """Opens whatever opens: voids, say, may lie before the checkpoint, where nothing leads."""
        for session in self.sessions:
            for number in self.existing(session):
                chunk = self.chunk(number)
                for slot in range(chunk.slots):
                    chunk.open(slot)

    def snapshot(self, name: str) -> bytes:
        payload = json.loads(self.manifest("snapshot", name, f"snapshots/{name}.manifest")[0])
        blocks = self.map(payload["state"])
        demand(len(blocks) == payload["state"]["storedBlocks"], "as many blocks as it says")
        return self.content(blocks, payload["state"]["size"])


# 'Sealed snapshots'

def unseal(file: bytes, lineages: dict[bytes, Lineage], contents: dict[str, bytes]) -> bytes:
    """What the snapshot of a sealed file holds; `contents` has the bases, by id."""
    (magic, version, suite, flags, epoch, lineage, name, base, _, zero, _, size, stored, salt,
     check, _) = struct.unpack("<8sHHII16s22s22s22sHQQQ32s32s32s", file[:224])
    keys, difference = lineages[lineage].keys, file[802:834]
    demand((magic, version, suite, zero, epoch) == (b"SEALSNAP", 1, keys.suite, 0, keys.epoch)
           and flags == (1 if any(base) else 0), "the header's fields")
    names = name + base + struct.pack("<H", 1) + (difference if any(difference) else b"")
    demand(check == keys.derive("key-check"), "its key check")
    header_key = keys.derive("sealed-header", salt, 0, names)
    demand(file[4032:4064] == mac(header_key, file[:4032]), "the header's HMAC")
    demand(file[4064:4096] == hashlib.sha256(file[:4064]).digest(), "the header's hash")
    key = keys.derive("sealed-snapshot", salt, 0, names)
    plain = keys.lineage + salt + names
    data = bytearray(contents[base.decode()] if any(base) else b"").ljust(size, b"\0")[:size]
    place, frame, next_block, count, is_last = BLOCK, 0, 0, 0, False
    while not is_last:
        index = file[place:place + BLOCK]
        number, entries, bodies, last, zero = struct.unpack("<QHHHH", index[4032:4048])
        end = place + (1 + bodies) * BLOCK
        demand((number, zero) == (frame, 0), "the frame's fields")
        demand(index[4064:] == hashlib.sha256(index[:4064] + file[place + BLOCK:end]).digest(),
               "the frame's hash")
        fields = index[4032:4048]
        demand(gcm_open(key, struct.pack("<IQ", 4, frame), b"", index[4048:4064], fields) == b""
               if suite else xxh3(plain + struct.pack("<QQ", 4, frame) + fields)
               == index[4048:4064], "the frame's tag")
        body_at = place + BLOCK
        for entry_number in range(entries):
            entry = index[entry_number * 32:(entry_number + 1) * 32]
            order = 126 * frame + entry_number
            nonce = struct.pack("<IQ", 3, order)
            descriptor = Descriptor(gcm_first(key, nonce, entry[:16]) if suite else entry[:16])
            demand(descriptor.is_valid() and descriptor.kind in (DATA, DISCARD), "a frame's entry")
            body = file[body_at:body_at + BLOCK] if descriptor.has_body else b""
            body_at += len(body)
            if suite:
                opened = gcm_open(key, nonce, entry[:16] + body, entry[16:])
                demand(opened, "a frame's entry opens")
                body = opened[16:]
            else:
                demand(xxh3(plain + struct.pack("<QQ", 3, order) + entry[:16] + body) == entry[16:],
                       "an entry's checksum")
            demand(descriptor.index >= next_block, "blocks ascend")
            next_block = descriptor.index + descriptor.length
            data[descriptor.index * BLOCK:next_block * BLOCK] = \
                body or bytes(descriptor.length * BLOCK)
            count += 1
        place, frame, is_last = end, frame + 1, last == 1
    demand(place == len(file) and (any(base) or count == stored), "nothing follows, nothing lacks")
    return bytes(data[:size])


def main() -> None:
    folder, expected = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    store = json.loads((folder / "store" / "store.json").read_text())
    demand((store["format"], store["version"]) == ("sealdisk-store", 1), "a store of version 1")
    keystore = Keystore(folder / "keystore")
    lineages = [Lineage(path, store["store"], keystore)
                for path in sorted((folder / "store" / "lineages").iterdir())]
    disks = {name: each.disk(name) for each in lineages for name in each.names("disks")}
    snapshots = {name: each.snapshot(name) for each in lineages for name in each.names("snapshots")}
    for kind, found in (("disks", disks), ("snapshots", snapshots)):
        wanted = {name: (each["size"], each["sha256"]) for name, each in expected[kind].items()}
        demand({name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in found.items()}
               == wanted, f"the {kind} hold what they held")
    by_id = {each.keys.lineage: each for each in lineages}
    for name, each in expected["sealed"].items():
        file = (folder / "sealed" / name).read_bytes()
        demand(hashlib.sha256(file).hexdigest() == each["sha256"], f"{name} is the same")
        demand(unseal(file, by_id, snapshots) == snapshots[each["snapshot"]], f"{name} holds it")
    for lineage in lineages:
        lineage.survey()
    for kind, name in KINDS.items():
        if seen[kind]:
            print(f"{name}: {seen[kind]}")


main()
