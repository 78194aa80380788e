import DiskEngine
import DiskFormat

// The figures of the store and its background work.
extension Namespace {
    func addLog(to text: inout MetricsText) {
        let work = store.diskWork()
        func each(
            _ name: String, _ kind: MetricsText.Kind, _ help: String,
            _ value: (DiskWork) -> UInt64?
        ) {
            text.begin(name, kind, help)
            for disk in work {
                guard let value = value(disk.work) else { continue }
                text.sample(name, [("disk", disk.id.text)], value)
            }
        }
        each("sealdisk_log_chunks_total", .counter, "Chunks made for the disk's log.") {
            $0.chunks
        }
        each(
            "sealdisk_log_recycled_chunks_total", .counter,
            "Those of them that were made of dead chunks."
        ) { $0.recycledChunks }
        each("sealdisk_log_slots_total", .counter, "Slots of the log that were filled.") {
            $0.slots
        }
        each("sealdisk_log_bytes_total", .counter, "Bytes appended to the log, with entries.") {
            $0.slots * DiskWork.bytesPerSlot
        }
        each(
            "sealdisk_log_syncs_total", .counter,
            "Rounds of fdatasync of the log; one may serve many flushes."
        ) { $0.syncs }
        each("sealdisk_checkpoints_total", .counter, "Checkpoints taken.") { $0.checkpoints }
        each("sealdisk_checkpoint_failures_total", .counter, "Checkpoints that failed.") {
            $0.failedCheckpoints
        }
        text.begin(
            "sealdisk_checkpoint_seconds_total", .counter, "How long checkpoints took together.")
        for disk in work {
            text.sample(
                "sealdisk_checkpoint_seconds_total", [("disk", disk.id.text)],
                MetricsText.seconds(disk.work.checkpointNanoseconds))
        }
        each(
            "sealdisk_checkpoint_last_time_seconds", .gauge,
            "When the last checkpoint was taken, in Unix time."
        ) { $0.lastCheckpoint.map { UInt64(max(0, $0.seconds)) } }
    }

    func addStore(_ status: StoreStatus, to text: inout MetricsText) {
        if let capacity = try? store.capacity() {
            text.single(
                "sealdisk_store_size_bytes", .gauge, "Size of the medium under the store.",
                capacity.total)
            text.single(
                "sealdisk_store_available_bytes", .gauge, "What is free of it.",
                capacity.available)
        }
        text.single(
            "sealdisk_store_reserve_bytes", .gauge,
            "Space kept back, so that a full store can still be freed.", status.reserveBytes)
        text.single(
            "sealdisk_map_memory_bytes", .gauge, "Memory that maps of disks take.",
            UInt64(status.mapMemoryUsed))
        text.single(
            "sealdisk_map_memory_limit_bytes", .gauge, "What they may take.",
            UInt64(status.mapMemoryLimit))
        text.single(
            "sealdisk_open_chunks", .gauge, "Chunk files that are open.",
            UInt64(status.openChunks))
        text.single(
            "sealdisk_open_lineages", .gauge, "Lineages whose key is in memory.",
            UInt64(status.openLineages))
        text.single(
            "sealdisk_disks_attached", .gauge, "Disks that are attached.",
            UInt64(status.disks.count))
        text.single(
            "sealdisk_disks_failed", .gauge,
            "Attached disks that take no more writes: detach them and attach them again.",
            UInt64(status.disks.count { $0.failure != nil }))
        text.single(
            "sealdisk_snapshots", .gauge, "Snapshots in the store.", UInt64(status.snapshots))
        text.single(
            "sealdisk_damaged_resources", .gauge,
            "Disks, snapshots and lineages known to be damaged.", UInt64(status.damage.count))
        text.single(
            "sealdisk_freshness_failing", .gauge,
            "1 if the freshness anchor could not be written when that was last tried.",
            store.freshnessStatus.failure == nil ? 0 : 1)
    }

    func addReclamation(_ status: StoreStatus, to text: inout MetricsText) {
        let passes = store.reclamationPasses
        text.single(
            "sealdisk_reclamation_passes_total", .counter, "Passes of reclamation that ended.",
            passes.done)
        text.single(
            "sealdisk_reclamation_failures_total", .counter, "Passes that failed.", passes.failed)
        text.begin(
            "sealdisk_reclamation_seconds_total", .counter, "How long passes took together.")
        text.sample(
            "sealdisk_reclamation_seconds_total", [], MetricsText.seconds(passes.nanoseconds))
        text.single(
            "sealdisk_reclaimed_bytes_total", .counter, "Bytes given back to the host.",
            status.bytesReclaimed)
        text.single(
            "sealdisk_reclaimed_chunks_total", .counter, "Chunks that were wholly dead.",
            status.chunksReclaimed)
        text.single(
            "sealdisk_reclaimable_bytes", .gauge,
            "Known to be dead and not given back yet.", status.bytesReclaimable)
        text.single(
            "sealdisk_scrub_pieces_in_progress", .gauge,
            "Pieces of disks and snapshots that are being verified.",
            UInt64(max(0, store.scrubWork.piecesUnderWay)))
        text.single(
            "sealdisk_scrub_verified_bytes_total", .counter,
            "Bytes that scrub found to be what was sealed.", store.scrubWork.verifiedBytes)
        text.single(
            "sealdisk_scrub_damage_total", .counter,
            "Places that scrub found damaged; one that is met again counts again.",
            store.scrubWork.findings)
    }
}
