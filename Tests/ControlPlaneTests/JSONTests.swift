import Testing

@testable import ControlPlane

@Suite struct JSONTests {
    @Test(arguments: [
        #"{"b":1,"a":[true,false,null,"x"],"c":{"d":-0.5e+7}}"#, "[]", "{}", #""""#, "0",
        #""\"\\\n\t\u0001\u007f\u009b""#, "\"é😀\u{2028}\"", "18446744073709551616",
    ]) func textComesBackAsItWas(text: String) throws {
        #expect(try JSON(parsing: text.utf8).text == text)
    }

    @Test(arguments: [
        "", "nul", "tru e", "+1", "01", ".5", "1e", "-", "[1,]", "[1 2]", "{\"a\"}", "{a:1}",
        "\"\\x\"", "\"\\u12\"", "\"\u{1}\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "[]]", "{,}",
    ]) func whatIsNotJSONIsRefused(text: String) {
        #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: text.utf8) }
    }

    @Test func numbersAreNeverRounded() throws {
        let json = try JSON(parsing: "18446744073709551615".utf8)
        #expect(json.unsigned == UInt64.max)
        #expect(try JSON(parsing: "1.0".utf8).unsigned == nil)
    }
}
