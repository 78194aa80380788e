import Testing

@testable import S3Client

@Suite("S3Client: places")
struct PlaceTests {
    @Test func partsAreRead() throws {
        let place = try S3Place("s3://disks/team/a/", endpoint: "https://S3.example.com:443/")
        #expect(place.bucket == "disks")
        #expect(place.prefix == "team/a/")
        #expect(place.host == "s3.example.com")
        #expect(place.root == "/disks")
        #expect(place.addressing == .path)
        #expect(place.description == "s3://disks/team/a")
        let plain = try S3Place("s3://disks", endpoint: "http://[::1]:8333")
        #expect(plain.prefix.isEmpty && plain.description == "s3://disks")
        #expect(plain.endpoint == "http://[::1]:8333")
    }

    @Test func bucketsOfAWSAreHosts() throws {
        let place = try S3Place("s3://disks/a", region: "eu-central-1")
        #expect(place.host == "disks.s3.eu-central-1.amazonaws.com")
        #expect(place.root.isEmpty)
        // No certificate has a name with so many parts.
        #expect(try S3Place("s3://my.disks/a").addressing == .path)
        #expect(try S3Place("s3://disks/a", addressing: .path).host == "s3.us-east-1.amazonaws.com")
    }

    @Test(arguments: [
        ("disks", nil, "s3://"), ("s3://", nil, "no bucket"), ("s3:///a", nil, "no bucket"),
        ("s3://a", nil, "no bucket"), ("s3://a b c", nil, "no bucket"),
        ("s3://disks/a//b", nil, "prefix"), ("s3://disks/../b", nil, "prefix"),
        ("s3://disks/a?b", nil, "prefix"), ("s3://disks", "ftp://host", "https://"),
        ("s3://disks", "https://host/path", "no path"), ("s3://disks", "https://", "HOST"),
        ("s3://disks", "https://host:0", "HOST"), ("s3://disks", "https://host:99999", "HOST"),
        ("s3://disks", "https://user:hush@host", "no user"),
        ("s3://disks", "https://ho\r\nst", "HOST"),
    ])
    func whatCannotBeUsedIsNamed(text: String, endpoint: String?, problem: String) {
        let error = storeError { _ = try S3Place(text, endpoint: endpoint) }
        #expect(error?.code == .io)
        #expect(error?.cause.contains(problem) == true, "\(String(describing: error))")
        #expect(error?.description.contains("hush") == false)
    }

    @Test func addressesHaveNoNamesOfBuckets() {
        for host in ["http://127.0.0.1:9000", "http://[::1]"] {
            let error = storeError {
                _ = try S3Place("s3://disks", endpoint: host, addressing: .virtualHost)
            }
            #expect(error?.cause.contains("path style") == true)
        }
    }
}
