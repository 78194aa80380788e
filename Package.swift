// swift-tools-version: 6.2
import PackageDescription

// The targets, bottom-up: each may use only what stands above it. Reading this list once is the
// first page of the architecture; the second is Architecture.md in the program's documentation.

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "sealdisk",
    products: [.executable(name: "sealdisk", targets: ["sealdisk"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // C, one importer each: module map and shim header, no logic.
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .systemLibrary(name: "CFUSE", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
        .systemLibrary(name: "CLinuxFile"),
        .systemLibrary(name: "CLoopDevice"),
        .systemLibrary(name: "CDescriptorPassing"),
        .systemLibrary(name: "CPKCS11", providers: [.apt(["libp11-kit-dev"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CRados", providers: [.apt(["librados-dev"])]),

        // The core: no Foundation, no kernel, four doors (ChunkStore, KeyProvider, clock, entropy).
        .target(name: "Scheduling", swiftSettings: strict),
        .target(name: "CryptoPrimitives", dependencies: ["COpenSSL"], swiftSettings: strict),
        .target(name: "KeyManagement", dependencies: ["CryptoPrimitives"], swiftSettings: strict),
        .target(
            name: "PKCS11Keys", dependencies: ["KeyManagement", "CryptoPrimitives", "CPKCS11"],
            swiftSettings: strict),
        .target(name: "HTTP", dependencies: ["CCurl"], swiftSettings: strict),
        .target(
            name: "VaultKeys", dependencies: ["KeyManagement", "CryptoPrimitives", "HTTP"],
            swiftSettings: strict),
        .target(name: "ChunkStore", dependencies: ["Scheduling"], swiftSettings: strict),
        .target(
            name: "LocalStore", dependencies: ["ChunkStore", "CLinuxFile"], swiftSettings: strict),
        .target(
            name: "RADOSStore", dependencies: ["ChunkStore", "Scheduling", "CRados"],
            swiftSettings: strict),
        .target(
            name: "S3Store", dependencies: ["ChunkStore", "Scheduling"], swiftSettings: strict),
        .target(
            name: "S3Client", dependencies: ["S3Store", "ChunkStore", "HTTP", "CryptoPrimitives"],
            swiftSettings: strict),
        .target(
            name: "DiskFormat", dependencies: ["CryptoPrimitives", "CXXHash"],
            swiftSettings: strict),
        .target(
            name: "DiskEngine",
            dependencies: [
                "DiskFormat", "ChunkStore", "KeyManagement", "CryptoPrimitives", "Scheduling",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: strict),

        // The cloud-disk model, the mounted tree, the kernel, the program.
        .target(
            name: "ControlPlane",
            dependencies: [
                "DiskEngine", "DiskFormat", "ChunkStore", "KeyManagement", "CryptoPrimitives",
            ],
            swiftSettings: strict),
        .target(
            name: "Namespace",
            dependencies: [
                "ControlPlane", "DiskEngine", "DiskFormat", "ChunkStore", "KeyManagement",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(name: "FUSEAdapter", dependencies: ["Namespace", "CFUSE"], swiftSettings: strict),
        .executableTarget(
            name: "sealdisk",
            dependencies: [
                "ControlPlane", "FUSEAdapter", "Namespace", "DiskEngine", "DiskFormat",
                "KeyManagement", "PKCS11Keys", "VaultKeys", "ChunkStore", "LocalStore",
                "RADOSStore", "S3Store", "S3Client", "Scheduling", "CryptoPrimitives",
                "CLoopDevice", "CDescriptorPassing",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Documentation.docc"],
            swiftSettings: strict),

        // Counts what a thread asks of Swift's runtime.
        .target(name: "CRuntimeCounts", path: "Tests/CRuntimeCounts"),
        // Programs of the host that tests start.
        .systemLibrary(name: "CSpawn", path: "Tests/CSpawn"),
        .target(
            name: "HostPrograms", dependencies: ["CSpawn"], path: "Tests/HostPrograms",
            swiftSettings: strict),
        // Real servers on loopback, and one that breaks what passes through it.
        .target(
            name: "ServerFixtures", dependencies: ["HostPrograms"], path: "Tests/ServerFixtures",
            swiftSettings: strict),

        // One folder of tests a module, in the same order; then the tests of the whole.
        .testTarget(
            name: "CryptoPrimitivesTests", dependencies: ["CryptoPrimitives"],
            swiftSettings: strict),
        .testTarget(
            name: "KeyManagementTests", dependencies: ["KeyManagement"], swiftSettings: strict),
        .testTarget(
            name: "KeyBackendTests", dependencies: ["PKCS11Keys", "VaultKeys", "HostPrograms"],
            swiftSettings: strict),
        .testTarget(
            name: "S3ClientTests",
            dependencies: ["S3Client", "HTTP", "LocalStore", "ServerFixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "S3StoreTests",
            dependencies: ["S3Store", "LocalStore", "DiskEngine", "HostPrograms"],
            swiftSettings: strict),
        .testTarget(
            name: "Conformance",
            dependencies: [
                "ChunkStore", "LocalStore", "RADOSStore", "S3Store", "S3Client", "DiskEngine",
                "ServerFixtures", "HostPrograms",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "DiskFormatTests", dependencies: ["DiskFormat"], swiftSettings: strict),
        .testTarget(
            name: "DiskEngineTests",
            dependencies: ["DiskEngine", "LocalStore", "CRuntimeCounts", "HostPrograms"],
            swiftSettings: strict),
        .testTarget(
            name: "Simulation",
            dependencies: [
                "DiskEngine", "DiskFormat", "LocalStore", "S3Store", "ChunkStore",
                "KeyManagement", "CryptoPrimitives",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ControlPlaneTests", dependencies: ["ControlPlane", "LocalStore"],
            swiftSettings: strict),
        .testTarget(
            name: "NamespaceTests",
            dependencies: [
                "Namespace", "LocalStore", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "sealdiskTests",
            dependencies: [
                "sealdisk", "HostPrograms", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MountTests", dependencies: ["sealdisk", "ServerFixtures", "HostPrograms"],
            swiftSettings: strict),
        .testTarget(
            name: "HostProgramsTests", dependencies: ["HostPrograms"], swiftSettings: strict),
        .testTarget(name: "Tidy", dependencies: ["HostPrograms"], swiftSettings: strict),
    ]
)

// Fuzzing (Tests/fuzz) is built only when it is asked for: no other build compiles it or is
// instrumented for it. A target of this package, and not a package of its own, since it tests what
// no product offers.
if Context.environment["SEALDISK_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz",
            dependencies: [
                "ControlPlane", "DiskEngine", "DiskFormat", "KeyManagement", "LocalStore",
                "CryptoPrimitives",
            ],
            path: "Tests/Fuzz", exclude: ["corpus"],
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-use-ld=lld"])]))
}

// The sanitizers (Tests/sanitize) look at the engine and what is below it: nothing above is built.
if Context.environment["SEALDISK_ENGINE_ALONE"] != nil {
    let needed: Set = [
        "COpenSSL", "CXXHash", "CLinuxFile", "CRados", "Scheduling", "CryptoPrimitives",
        "KeyManagement", "ChunkStore", "LocalStore", "RADOSStore", "S3Store", "DiskFormat",
        "DiskEngine", "CRuntimeCounts", "CSpawn", "HostPrograms", "ServerFixtures",
        "CryptoPrimitivesTests", "Conformance", "DiskEngineTests", "Simulation",
    ]
    package.products = []
    package.targets.removeAll { !needed.contains($0.name) }
    // Real buckets need what is not built then.
    for target in package.targets where target.name == "Conformance" {
        target.dependencies.removeAll { dependency in
            if case .byNameItem("S3Client", _) = dependency { true } else { false }
        }
    }
}
