import Foundation
import HostPrograms
import Testing

@testable import sealdisk

@Suite struct ShellWordTests {
    @Test(arguments: [
        ("/srv/store", "/srv/store"), ("s3://bucket/a-b_c.d", "s3://bucket/a-b_c.d"),
        ("", "''"), ("/a b", "'/a b'"), ("it's", #"'it'\''s'"#), ("~/x", "'~/x'"),
        ("s3://b/p?endpoint=https://h&lag=1", "'s3://b/p?endpoint=https://h&lag=1'"),
        ("/für", "/für"), ("$HOME", "'$HOME'"), ("a;b", "'a;b'"), ("a\nb", "'a\nb'"),
    ])
    func aShellTakesItForOneWord(word: String, text: String) throws {
        #expect(ShellWord.text(word) == text)
        // As a shell itself sees it.
        #expect(try Program.succeed("sh", ["-c", "printf %s \(text)"]) == word)
    }
}
