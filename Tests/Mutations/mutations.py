"""The rules of the engine, each with the change that breaks it."""

from dataclasses import dataclass

ENGINE = "Sources/DiskEngine/"
LOCAL = "Sources/LocalStore/"


@dataclass
class Mutation:
    """One rule, and how it is broken: `old`, which stands once in the file, becomes `new`."""

    name: str
    rule: str
    file: str
    old: str
    new: str
    noticed: bool = False


MUTATIONS = (
    Mutation(
        "flush-skips-a-chunk", "A flush syncs every chunk with slots that are not durable.",
        ENGINE + "Disk/Disk+Flush.swift",
        "for chunk in chunks { try chunk.synchronize() }",
        "for chunk in chunks.dropLast() { try chunk.synchronize() }"),
    Mutation(
        "flush-without-waiting", "What a flush covers is written before its fdatasync begins.",
        ENGINE + "Disk/Disk+Flush.swift",
        "let reach = log.writtenTo", "let reach = log.reservedTo"),
    Mutation(
        "session-goes-on", "After a failed fdatasync the session is over.",
        ENGINE + "Disk/Disk+Flush.swift",
        "                fail(cause)\n", ""),
    Mutation(
        "written-out-of-order", "Every slot below `writtenTo` is written.",
        ENGINE + "Log/Log.swift",
        "            writtenTo = oldest.end\n",
        "            writtenTo = max(writtenTo, reservation.end)\n"),
    Mutation(
        "acknowledged-early", "A write is acknowledged when all before it are written.",
        ENGINE + "Disk/Disk+Write.swift",
        "return log.writtenTo >= position\n                    ? nil :",
        "return log.reservedTo >= position\n                    ? nil :"),
    Mutation(
        "claim-released-early", "An operation holds its claim to its last commit.",
        ENGINE + "Disk/Disk+Write.swift",
        "        return try body()\n", "        claims.end(claim)\n        return try body()\n"),
    Mutation(
        "slots-not-voided", "The slots of a failed write are voided.",
        ENGINE + "Disk/Disk+Write.swift",
        "try slots.chunk.cipher.void(run, at: slots.firstSlot, count: slots.count)\n"
        "                    try slots.chunk.file.write(run)",
        "try slots.chunk.cipher.void(run, at: slots.firstSlot, count: slots.count)"),
    Mutation(
        "entries-before-bodies", "No entry stands without its body.",
        ENGINE + "Chunks/SealedStore.swift",
        "        if run.hasBodies {\n"
        "            try file.write(run.bodyBytes, at: layout.bodyOffset(of: run.firstSlot))\n"
        "        }\n"
        "        try file.write(run.entryBytes, at: layout.entryOffset(of: run.firstSlot))\n",
        "        try file.write(run.entryBytes, at: layout.entryOffset(of: run.firstSlot))\n"
        "        if run.hasBodies {\n"
        "            try file.write(run.bodyBytes, at: layout.bodyOffset(of: run.firstSlot))\n"
        "        }\n"),
    Mutation(
        "cut-without-waiting", "At a cut every reserved slot is published.",
        ENGINE + "Disk/Disk+Checkpoint.swift",
        "        try waitUntilWritten(to: log.reservedTo)\n        map.freeze()",
        "        map.freeze()"),
    Mutation(
        "frozen-page-changed", "A frozen page is copied before it changes.",
        ENGINE + "Map/MapTree+Update.swift",
        "page.epoch == 0 ? page : page.takeOverCopy()", "page"),
    Mutation(
        "manifest-before-log", "A checkpoint is durable before the manifest names it.",
        ENGINE + "Disk/Disk+Checkpoint.swift",
        "        try makeDurable(to: log.reservedTo)\n", ""),
    Mutation(
        "one-checkpoint", "The last two checkpoints are kept.",
        ENGINE + "Disk/Disk+Checkpoint.swift",
        "manifest.checkpoints.prefix(manifest.rollingBackTo == nil ? 1 : 0)",
        "manifest.checkpoints.prefix(0)"),
    Mutation(
        "checkpoint-before-rollback", "No checkpoint before a rollback stands in for it.",
        ENGINE + "Disk/Disk+Checkpoint.swift",
        "manifest.checkpoints.prefix(manifest.rollingBackTo == nil ? 1 : 0)",
        "manifest.checkpoints.prefix(1)"),
    Mutation(
        "number-given-again", "A chunk's number is given out once.",
        ENGINE + "Lineage/Lineage+Sessions.swift",
        "let first = max(floor, given)", "let first = min(floor, given)"),
    Mutation(
        "end-not-recorded", "A session records where the one before it ended.",
        ENGINE + "Lineage/Lineage+Sessions.swift",
        "                previousEnd: previousEnd)", "                previousEnd: nil)"),
    Mutation(
        "strays-kept", "What lies behind the end of the log goes when a session begins.",
        ENGINE + "Log/ChunkSupply.swift",
        "for sequence in existing where sequence > end {",
        "for sequence in existing where sequence < end && end == 0 {"),
    Mutation(
        "mark-ignored", "A slot missing below a durable mark is damage.",
        ENGINE + "Log/LogScan.swift",
        "                try checkNothingDurable(after: chunk, slot: reached, in: "
        "chunks[(index + 1)...])\n", ""),
    Mutation(
        "chain-not-checked", "A chunk continues the log where it stood.",
        ENGINE + "Log/LogScan.swift",
        "guard chunk.header.predecessor == here else {",
        "guard chunk.header.predecessor == here || true else {"),
    Mutation(
        "recovered-not-synced", "What recovery accepts is made durable first.",
        ENGINE + "Log/LogScan.swift",
        "                try file.synchronize()\n                try file.dropCache()\n", ""),
    Mutation(
        "table-not-blanked", "The slot table of a recycled chunk is blank.",
        ENGINE + "Chunks/SealedStore.swift",
        "beginning: header.bytes, blank: layout.bodiesOffset)",
        "beginning: header.bytes, blank: UInt64(header.bytes.count))"),
    Mutation(
        "reclaimed-too-early", "Nothing that recovery may need is given back.",
        ENGINE + "Space/Deaths.swift",
        "let taken = Array(cut.prefix { $0.position <= position.raw })",
        "let taken = Array(cut)"),
    Mutation(
        "snapshot-not-shared", "What a snapshot reaches is not dead when it is overwritten.",
        ENGINE + "Store/Store+Snapshots.swift",
        "            disk.share(state)\n", ""),
    Mutation(
        "rollback-not-announced", "What a rollback leads to is a root before the log says so.",
        ENGINE + "Disk/Disk+Checkpoint.swift",
        "announced.rollingBackTo = state\n", "announced.rollingBackTo = nil\n"),
    Mutation(
        "place-not-checked", "A slot is the block that was asked for.",
        "Sources/DiskFormat/ChunkCipher.swift",
        "descriptor.kind == .data && descriptor.index == block",
        "descriptor.kind == .data && descriptor.index >= block &- block"),
    Mutation(
        "folder-not-synced", "A new file's name is durable when it is given out.",
        "Sources/LocalStore/LocalStore.swift",
        "        do throws(StoreError) {\n            try place.folder.synchronize(operation)\n",
        "        do throws(StoreError) {\n"
        "            if length == .max { try place.folder.synchronize(operation) }\n"),
    Mutation(
        "file-not-synced", "A new file's contents are durable before its name.",
        LOCAL + "LocalStore.swift",
        "            try new.file.synchronize(operation)\n            try new.takeName",
        "            try new.takeName"),
    Mutation(
        "object-not-synced", "An object's contents are durable before it replaces another.",
        LOCAL + "LocalStore+Objects.swift",
        "            try new.file.synchronize(operation)\n", ""),
    Mutation(
        "replacement-not-synced", "An object that was replaced is durable when this is said.",
        LOCAL + "LocalStore+Objects.swift",
        "        try place.folder.synchronize(operation)\n", ""),
    Mutation(
        "removal-not-synced", "A removal is durable when it is said.",
        LOCAL + "LocalStore.swift",
        "place.leaf, 0), operation)\n        }\n        try place.folder.synchronize(operation)\n",
        "place.leaf, 0), operation)\n        }\n"),
    Mutation(
        "new-folder-not-synced", "A new folder's name is durable before anything is in it.",
        LOCAL + "LocalStore+Folders.swift",
        "        try parent.synchronize(operation)\n", ""),
    Mutation(
        "old-name-kept", "A recycled file's old name never leads to its new contents.",
        LOCAL + "LocalStore.swift",
        "            try source.folder.synchronize(operation)\n", ""),
    Mutation(
        "session-not-recorded", "A session is recorded before anything is sealed in it.",
        ENGINE + "Lineage/Lineage.swift",
        "            try store.replaceManifest(StoreLayout.lineageManifest(id), with: sealed)\n",
        "            if changed.sessions.count == manifest.sessions.count {\n"
        "                try store.replaceManifest(StoreLayout.lineageManifest(id), with: sealed)\n"
        "            }\n"),
    Mutation(
        "salt-repeated", "Each session draws a salt of its own.",
        ENGINE + "Lineage/Lineage+Sessions.swift",
        "let salt = try environment.entropy.bytes(LineageKeys.saltSize)",
        "let salt = [UInt8](repeating: 7, count: LineageKeys.saltSize)"),
    Mutation(
        "claims-ignored", "Who overlaps a claim waits.",
        ENGINE + "Disk/Disk+Write.swift",
        "while !claims.isTurn(of: claim) {",
        "while !claims.isTurn(of: claim), claims.waiting < 0 {"),
    Mutation(
        "checkpoint-in-log-ignored", "A checkpoint met in the log replaces the state.",
        ENGINE + "Log/Recovery.swift",
        "guard record.generation > generation else { return }",
        "guard record.generation > generation + (1 << 40) else { return }"),
    Mutation(
        "cache-not-dropped", "What recovery accepts comes from the medium.",
        ENGINE + "Log/LogScan.swift",
        "                try file.dropCache()\n", ""),
    Mutation(
        "header-taken-for-blank", "A chunk whose header does not open is damage.",
        ENGINE + "Log/LogScan.swift",
        "            let chunk = try open(number)\n",
        "            guard let chunk = try? open(number) else { return here }\n"),
    Mutation(
        "root-dropped-first", "A snapshot is a root until its removal is durable.",
        ENGINE + "Store/Store+Snapshots.swift",
        "                monitor.withLock { catalogue.snapshots[id] = entry }\n"
        "                throw error",
        "                throw error"),
    Mutation(
        "reserve-for-data", "Data never takes of the reserve.",
        ENGINE + "Log/ChunkSupply.swift",
        "if purpose == .bookkeeping { supply.mayUseReserve = true }",
        "supply.mayUseReserve = true"),
    Mutation(
        "anchor-first", "The anchor knows of nothing that is not durable.",
        ENGINE + "Anchor/Disk+Freshness.swift",
        "                log.durablePosition ?? previousEnd, manifestVersion",
        "                log.position ?? previousEnd, manifestVersion"),
    Mutation(
        "kind-not-checked", "What is known as encrypted is not attached as plain.",
        ENGINE + "Anchor/Store+Rollback.swift",
        "guard known.suite == suite else {", "guard known.suite == suite || true else {"),
)
