import Testing

@testable import S3Client

@Suite("S3Client: the XML of servers")
struct XMLTests {
    private func page(_ text: String) throws -> ListPage { try ListPage(Array(text.utf8)) }

    @Test func aPageIsRead() throws {
        let page = try page(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" a='>'>
              <Name>disks</Name><Prefix/><KeyCount>2</KeyCount><EncodingType>url</EncodingType>
              <IsTruncated>true</IsTruncated><NextContinuationToken>1&amp;2</NextContinuationToken>
              <Contents><Key>a%2Fb</Key><Owner><ID>x</ID></Owner><Size>17</Size></Contents>
              <Contents><Size>0</Size><Key>c&#45;&#x64;</Key><ETag>&quot;t&quot;</ETag></Contents>
              <CommonPrefixes><Prefix>p+q/</Prefix></CommonPrefixes>
            </ListBucketResult>

            """)
        #expect(
            page.items == [
                .init(key: "a/b", size: 17), .init(key: "c-d", size: 0, tag: "\"t\""),
            ])
        #expect(page.folders == ["p q/"])
        #expect(page.nextToken == "1&2")
    }

    @Test func theLastPageHasNoToken() throws {
        let page = try page(
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        #expect(page.items.isEmpty && page.folders.isEmpty && page.nextToken == nil)
    }

    @Test(arguments: [
        "", "<", "text", "<a>", "<a></b>", "<ListBucketResult/>", "<Error><Code>x</Code></Error>",
        "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult><a/>",
        "<ListBucketResult><IsTruncated>false</IsTruncated>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><ListBucketResult/>",
        "<ListBucketResult><!-- --><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>&b;</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>&#xffffffff;</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated><a/></IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult a=b><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult a=\"<\"><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<ListBucketResult><CommonPrefixes></CommonPrefixes></ListBucketResult>",
    ])
    func whatIsNoPageIsRefused(text: String) {
        #expect(throws: XMLReader.Problem.self) { try self.page(text) }
    }

    @Test func depthAndNamesHaveLimits() {
        let deep = String(repeating: "<a>", count: 100_000)
        #expect(throws: XMLReader.Problem.self) { try self.page("<ListBucketResult>" + deep) }
        let long = String(repeating: "a", count: 100_000)
        #expect(throws: XMLReader.Problem.self) { try self.page("<\(long)/>") }
    }

    /// Whatever a byte of it becomes: an answer or a refusal, in time.
    @Test func changedBytesNeverTrap() {
        let good = Array(
            ("<?xml version=\"1.0\"?><ListBucketResult a=\"b\"><IsTruncated>false</IsTruncated>"
                + "<Contents><Key>a&amp;b</Key><Size>1</Size></Contents></ListBucketResult>").utf8)
        var refused = 0
        for index in good.indices {
            for byte: UInt8 in [0, 0x20, 0x26, 0x2f, 0x3c, 0x3e, 0x80, 0xff] {
                var bytes = good
                bytes[index] = byte
                if (try? ListPage(bytes)) == nil { refused += 1 }
            }
            if (try? ListPage(Array(good[..<index]))) == nil { refused += 1 }
        }
        #expect(refused > good.count * 4)
    }
}
