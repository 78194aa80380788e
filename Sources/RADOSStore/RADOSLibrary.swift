import CRados
import ChunkStore
import Glibc
import Synchronization

/// librados, loaded at its first use, so that nobody without Ceph needs it. It stays loaded.
enum RADOSLibrary {
    static let fileName = "librados.so.2"
    private static let loaded = Mutex<sealdisk_rados?>(nil)

    static func functions(of fileName: String = fileName) throws(StoreError) -> sealdisk_rados {
        try loaded.withLock { (known) throws(StoreError) in
            if let known, fileName == Self.fileName { return known }
            let functions = try load(fileName)
            known = functions
            return functions
        }
    }

    private static func load(_ fileName: String) throws(StoreError) -> sealdisk_rados {
        let operation = "load \(fileName)"
        guard let library = dlopen(fileName, RTLD_NOW | RTLD_LOCAL) else {
            let cause = dlerror().map { String(cString: $0) } ?? "unknown"
            throw StoreError(
                .notFound, operation: operation,
                cause: "a store in Ceph needs its library, which Debian's package librados2 has:"
                    + " apt-get install librados2 (\(cause))")
        }
        return try Symbols(library: library, operation: operation).functions()
    }
}

/// The functions that a loaded library has.
private struct Symbols {
    let library: UnsafeMutableRawPointer
    let operation: String

    private func symbol<Function>(_ name: String) throws(StoreError) -> Function {
        guard let address = dlsym(library, "rados_" + name) else {
            throw StoreError(
                .io, operation: operation,
                cause: "it has no rados_\(name); Ceph 16 or newer is needed")
        }
        // The field takes its type from the declaration of the function that has this name.
        return unsafeBitCast(address, to: Function.self)
    }

    func functions() throws(StoreError) -> sealdisk_rados {
        sealdisk_rados(
            create2: try symbol("create2"),
            conf_read_file: try symbol("conf_read_file"),
            conf_set: try symbol("conf_set"),
            connect: try symbol("connect"),
            shutdown: try symbol("shutdown"),
            get_instance_id: try symbol("get_instance_id"),
            cluster_stat: try symbol("cluster_stat"),
            mon_command: try symbol("mon_command"),
            buffer_free: try symbol("buffer_free"),
            wait_for_latest_osdmap: try symbol("wait_for_latest_osdmap"),
            blocklist_add: try symbol("blocklist_add"),
            getaddrs: try symbol("getaddrs"),
            ioctx_create: try symbol("ioctx_create"),
            ioctx_destroy: try symbol("ioctx_destroy"),
            ioctx_set_namespace: try symbol("ioctx_set_namespace"),
            set_pool_full_try: try symbol("set_pool_full_try"),
            read: try symbol("read"),
            write: try symbol("write"),
            remove: try symbol("remove"),
            stat: try symbol("stat"),
            create_write_op: try symbol("create_write_op"),
            release_write_op: try symbol("release_write_op"),
            write_op_create: try symbol("write_op_create"),
            write_op_write: try symbol("write_op_write"),
            write_op_zero: try symbol("write_op_zero"),
            write_op_remove: try symbol("write_op_remove"),
            write_op_exec: try symbol("write_op_exec"),
            write_op_omap_cmp2: try symbol("write_op_omap_cmp2"),
            write_op_omap_set2: try symbol("write_op_omap_set2"),
            write_op_omap_rm_keys2: try symbol("write_op_omap_rm_keys2"),
            write_op_operate: try symbol("write_op_operate"),
            create_read_op: try symbol("create_read_op"),
            release_read_op: try symbol("release_read_op"),
            read_op_omap_get_vals2: try symbol("read_op_omap_get_vals2"),
            read_op_omap_get_vals_by_keys2: try symbol("read_op_omap_get_vals_by_keys2"),
            read_op_operate: try symbol("read_op_operate"),
            omap_get_next2: try symbol("omap_get_next2"),
            omap_get_end: try symbol("omap_get_end"),
            aio_create_completion2: try symbol("aio_create_completion2"),
            aio_release: try symbol("aio_release"),
            aio_wait_for_complete: try symbol("aio_wait_for_complete"),
            aio_get_return_value: try symbol("aio_get_return_value"),
            aio_read: try symbol("aio_read"),
            write_op_truncate: try symbol("write_op_truncate"),
            aio_write_op_operate: try symbol("aio_write_op_operate"),
            aio_remove: try symbol("aio_remove"),
            lock_exclusive: try symbol("lock_exclusive"),
            break_lock: try symbol("break_lock"),
            list_lockers: try symbol("list_lockers"))
    }
}
