import CFUSE
import Namespace

/// Handing a mount over to another process, and taking one over.
extension MountSession {
    /// Stops serving between two requests, and returns when all that were received are answered;
    /// from here on whoever asks the mount waits. False if they are not within `seconds`: then it
    /// is served as before. Not from a thread that serves it.
    public func pause(within seconds: Double) -> Bool {
        ServingPause.begin(adapter, within: seconds)
    }

    /// What is open, while nobody serves the kernel.
    public func state() -> SessionState {
        SessionState(
            firstRequest: adapter.firstRequest.withLock { $0 },
            payloadLimit: ThreadBuffers.payloadLimit,
            files: adapter.files.all.map { .init(number: $0.number, file: $0.content.state) },
            folders: adapter.folders.all.map { .init(number: $0.number, entries: $0.content) })
    }

    /// Lets go of all that is open, while nobody serves the kernel: what files hold of the store
    /// must not outlive it.
    public func closeAll() {
        adapter.files.replaceAll([])
        adapter.folders.replaceAll([])
    }

    /// Serves again, after `pause`, with a tree of another opening of the store. What cannot be
    /// opened again in it fails from here on; what that is, is returned in words.
    public func resume(with tree: Namespace, _ state: SessionState) -> [String] {
        var failures: [String] = []
        var files: [(number: UInt64, content: OpenFile)] = []
        for entry in state.files {
            do throws(FileError) {
                files.append((entry.number, try tree.reopen(entry.file)))
            } catch {
                failures.append("\(error)")
                files.append((entry.number, .lost))
            }
        }
        adapter.files.replaceAll(files)
        adapter.folders.replaceAll(state.folders.map { ($0.number, $0.entries) })
        let kernel = adapter.tree.kernelOfMount
        adapter.replaceTree(tree)
        if let kernel { tree.attachKernel(kernel) }
        ServingPause.end()
        return failures
    }

    /// Serves again, as before.
    public func resume() { ServingPause.end() }

    static func reopen(_ state: SessionState, in tree: Namespace, _ adapter: Adapter)
        throws(MountError)
    {
        adapter.firstRequest.withLock { $0 = state.firstRequest }
        var files: [(number: UInt64, content: OpenFile)] = []
        for entry in state.files {
            do throws(FileError) {
                files.append((entry.number, try tree.reopen(entry.file)))
            } catch {
                throw MountError(description: "what was open cannot be opened again: \(error)")
            }
        }
        adapter.files.replaceAll(files)
        adapter.folders.replaceAll(state.folders.map { ($0.number, $0.entries) })
    }

    /// Has libfuse agree with itself on what another process agreed on with the kernel, which asks
    /// for that only once. Its reply goes to the kernel under a number that no request has; the
    /// kernel refuses that (ENOENT), and libfuse takes it for a request that was interrupted.
    static func repeatAgreement(
        _ session: OpaquePointer, _ firstRequest: [UInt8], _ adapter: Adapter
    ) {
        var request = firstRequest
        let place = Int(SEALDISK_FUSE_NUMBER_OFFSET)
        guard request.count >= Int(SEALDISK_FUSE_HEADER_BYTES) else { return }
        request.withUnsafeMutableBytes { bytes in
            // The kernel counts its requests from 2 in steps of 2.
            bytes.storeBytes(of: UInt64.max - 1, toByteOffset: place, as: UInt64.self)
            var buffer = fuse_buf()
            buffer.mem = bytes.baseAddress
            buffer.size = bytes.count
            fuse_session_process_buf(session, &buffer)
        }
    }
}
