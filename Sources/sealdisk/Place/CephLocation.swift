import ControlPlane
import DiskFormat
import RADOSStore

/// A store in a Ceph pool by its URI: `rados://POOL/PREFIX?id=USER&conf=FILE&timeout=SECONDS`.
struct CephLocation: Sendable {
    private(set) var place: RADOSPlace
    let text: String
    /// Where this host notes which of its processes has the store.
    let hostFolder: String

    init(_ uri: StoreURI) throws(Failure) {
        var uri = uri
        try uri.demand(["id", "conf", "timeout"])
        if uri.value("conf") == nil, let usual = environmentVariable("CEPH_CONF") {
            uri.set("conf", usual)
        }
        if let path = uri.value("conf") { uri.set("conf", AbsolutePath.ofFile(path)) }
        guard let place = RADOSPlace(uri: uri.text), let folder = StateFolder.path("caches") else {
            throw Failure(
                .invalid, "\(Table.printable(uri.text)) names no store in a Ceph pool.",
                advice: "Write rados://POOL/PREFIX, and behind it ?id=USER&conf=/PATH&timeout=60 as"
                    + " needed; HOME must be set.")
        }
        self.place = place
        self.place.chunkShape = ChunkShape(
            head: UInt64(ChunkLayout.headerSize), record: UInt64(Format.entrySize),
            block: UInt64(Format.blockSize))
        text = uri.text
        hostFolder = "\(folder)/\(HostFolderName.of("\(place) \(place.configuration)"))"
    }
}
