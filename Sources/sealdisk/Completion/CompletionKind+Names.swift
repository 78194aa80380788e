import ArgumentParser

// What a shell completes besides options and files: the names of what there is in a mount.
extension CompletionKind {
    static var disks: CompletionKind {
        .custom { words, _, _ in CompletedNames(words).names { $0.disks } }
    }

    static var snapshots: CompletionKind {
        .custom { words, _, _ in CompletedNames(words).names { $0.snapshots } }
    }

    static var disksAndSnapshots: CompletionKind {
        .custom { words, _, _ in CompletedNames(words).names { $0.disks + $0.snapshots } }
    }

    static var instances: CompletionKind {
        .custom { words, _, _ in CompletedNames(words).names { $0.instances } }
    }

    static var mountPoints: CompletionKind {
        .custom { _, _, _ in
            MountedStore.all().filter(\.isTrusted).map(\.mountPoint)
                .filter { !$0.contains("\n") }
        }
    }
}
