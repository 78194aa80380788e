import Foundation
import Testing

extension MountSuite {
    /// A real bash completes names of a real mount.
    @Suite struct CompletionMountTests {
        /// Completes each command line at its end, as the shell does; a line of words for each.
        private func complete(_ rig: Rig, _ lines: [String]) throws -> [String] {
            let script = rig.folder + "/complete"
            let calls = lines.map { "complete_line \($0)" }.joined(separator: "\n")
            // The shell calls the function with these set, and calls the program by its first word.
            try """
            sealdisk() { '\(Rig.program)' "$@"; }
            source <('\(Rig.program)' --generate-completion-script bash)
            registered=$(complete -p sealdisk)
            [[ $registered =~ -F\\ ([^ ]+) ]]
            complete_line() {
                COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMPREPLY=()
                COMP_POINT=${#COMP_LINE}
                "${BASH_REMATCH[1]}" sealdisk "${@: -1}" "${@: -2:1}"
                echo "${COMPREPLY[*]}"
            }
            \(calls)

            """.write(toFile: script, atomically: true, encoding: .utf8)
            let outcome = try Command.run(
                "timeout", ["-k", "5", "60", "bash", script], environment: rig.environment)
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome)")
            return outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
                .dropLast().map(String.init)
        }

        @Test func namesOfAMountAreCompleted() throws {
            let rig = try Rig()
            try rig.mount()
            try rig.attachDisk("data", mebibytes: 16)
            try rig.request("CreateDisk DiskName=photos Size=16MiB")
            try rig.request("CreateSnapshot DiskId=data SnapshotName=monday")
            try rig.request("CreateInstance InstanceName=web")
            let expected = [
                ("sealdisk disk attach ''", "data photos"), ("sealdisk disk attach p", "photos"),
                ("sealdisk snapshot export ''", "monday"),
                ("sealdisk disk attach --instance ''", "local web"),
                ("sealdisk scrub ''", "data photos monday"), ("sealdisk trace ''", "data photos"),
                ("sealdisk disk attach --mount /nowhere ''", ""),
                ("sealdisk trac", "trace"),
            ]
            // On a busy host the mount may take longer than a second to answer, and is passed over.
            var completed: [String] = []
            for _ in 0..<5 where completed != expected.map(\.1) {
                completed = try complete(rig, expected.map(\.0))
            }
            #expect(completed == expected.map(\.1))
            let points = try complete(rig, ["sealdisk unmount ''"])
            #expect(points.first?.split(separator: " ").contains { $0 == rig.mountPoint } == true)
            try rig.unmount()
        }

        /// A mount whose daemon is stopped keeps nobody, and is no word.
        @Test func aSilentMountIsPassedOver() throws {
            let rig = try Rig()
            try rig.mount()
            let daemon = try rig.daemon()
            kill(daemon, SIGSTOP)
            defer { kill(daemon, SIGCONT) }
            let start = ContinuousClock.now
            #expect(try complete(rig, ["sealdisk disk attach ''"]) == [""])
            #expect(ContinuousClock.now - start < .seconds(10))
            kill(daemon, SIGCONT)
            try rig.unmount()
        }
    }
}
