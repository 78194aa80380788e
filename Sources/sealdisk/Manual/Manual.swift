import ArgumentParser
import ControlPlane

/// The pages of all commands: sealdisk(1), sealdisk-disk-attach(1) …, and mount.sealdisk(8). What
/// they say of a command is its own help, so that the two cannot differ.
enum Manual {
    static func pages() throws(Failure) -> [ManualPage] {
        guard let dump = try? JSON(parsing: SealDisk._dumpHelp().utf8),
            let root = dump["command"]
        else {
            throw Failure(
                .failed, "The program's own help cannot be read.",
                advice: "This should not happen: please report it.")
        }
        let commands = CommandPage.all(SealDisk.self, root, below: [])
        return commands.map(\.page) + [mountHelper(commands)]
    }

    /// The variables that commands look at, for all pages.
    static let environment: [(name: String, text: String)] = [
        ("SEALDISK_STORE", "The store's folder, for commands that were given none."),
        (
            "SEALDISK_MOUNT",
            "Where a store is mounted, for commands that were given neither that nor a store."
        ),
        (
            "SEALDISK_KEYSTORE",
            "The keystore's file, for commands that were given none and open a store by themselves."
        ),
        (
            "SEALDISK_KMS",
            "Who holds the customer master key instead of a keystore: pkcs11:… or vault+https://…"
        ),
        (
            "SEALDISK_ANCHOR",
            "Where a store's past is remembered: a file, a folder (with a / at its end), none, or"
                + " strict."
        ),
        ("SEALDISK_JOURNAL", "The socket of the journal, if it is not the usual one."),
        (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
            "The keys to a store on S3; else those of AWS_PROFILE in AWS_SHARED_CREDENTIALS_FILE"
                + " (~/.aws/credentials)."
        ),
        (
            "AWS_ENDPOINT_URL, AWS_REGION",
            "The server of a store on S3, and its region, where its URI names none."
        ),
        ("CEPH_CONF", "The configuration of a store's Ceph cluster, where its URI names none."),
        ("NO_COLOR", "If it is set and not empty, nothing is coloured; nor if TERM is dumb."),
        (
            "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR",
            "Where keystore, anchors, and notes about mounts lie, for users but root."
        ),
    ]

    static let files: [(name: String, text: String)] = [
        (
            "/etc/sealdisk/keystore.json, ~/.config/sealdisk/keystore.json",
            "The keystore, of root and of other users."
        ),
        (
            "/var/lib/sealdisk/anchors/, ~/.local/state/sealdisk/anchors/",
            "Freshness anchors, of root and of other users."
        ),
        ("/etc/sealdisk/NAME.conf", "What the unit sealdisk@NAME.service mounts."),
        (
            "MOUNT/disks/, MOUNT/snapshots/, MOUNT/instances/",
            "Disks and snapshots of a mounted store, as files."
        ),
        (
            "MOUNT/control, MOUNT/status.json, MOUNT/metrics",
            "Requests go in here; the state of the mount; its figures for Prometheus."
        ),
    ]

    /// mount.sealdisk(8): its options are those that `sealdisk mount` takes behind -o.
    private static func mountHelper(_ commands: [CommandPage]) -> ManualPage {
        var page = ManualPage(
            "mount.sealdisk", section: 8, abstract: "Mount a store by mount(8) and fstab(5).")
        page.begin("SYNOPSIS")
        page.synopsis("mount -t sealdisk", "<store> <dir> [-o <options>]")
        page.synopsis(
            "mount.sealdisk", "<store> <dir> [-sfnv] [-N <namespace>] [-o <options>]")
        page.begin("DESCRIPTION")
        page.paragraph(
            "mount(8) starts this helper for file systems of type sealdisk. It runs `sealdisk"
                + " mount` with the options that are not mount(8)'s own. STORE is the store's"
                + " folder, and DIR where it is mounted.")
        page.begin("OPTIONS")
        if let mount = commands.first(where: { $0.path == ["sealdisk", "mount"] }) {
            // From the line that speaks of -o on.
            let blocks = mount.help.description
            let start = blocks.firstIndex { block in
                if case .text(let text) = block { text.hasPrefix("OPTIONS OF -o") } else { false }
            }
            page.blocks(Array(blocks[(start ?? 0)...]))
        }
        page.begin("EXAMPLES")
        page.literal([
            "mount -t sealdisk /srv/store /mnt/seal -o attach=data,key_file=/root/sealdisk.key",
            "# /etc/fstab",
            "/srv/store /mnt/seal sealdisk attach=all,key_file=/root/sealdisk.key,_netdev 0 0",
        ])
        page.begin("EXIT STATUS")
        page.table([
            "0  mounted", "1  wrong usage", "32  not mounted, and it was said why",
        ])
        page.references([
            ("sealdisk", 1), ("sealdisk-mount", 1), ("sealdisk-unmount", 1), ("mount", 8),
            ("fstab", 5),
        ])
        return page
    }
}
