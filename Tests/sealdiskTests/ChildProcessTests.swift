import Glibc
import Testing

@testable import sealdisk

@Suite struct ChildProcessTests {
    /// As a mount is: an ordinary user's process whose memory nobody else may look into.
    @Test func childrenOfAHardenedProcessHaveItsEnvironment() async {
        await #expect(processExitsWith: .success) {
            if getuid() == 0 {
                // nobody
                guard setgid(65534) == 0, setuid(65534) == 0 else { exit(2) }
            }
            Hardening.apply()
            let status = ChildProcess.run(["sh", "-c", "env | grep -q ^PATH="])
            exit(status == 0 ? 0 : 3)
        }
    }
}
