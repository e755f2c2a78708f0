import ImageRecipe
import Testing

@Suite struct DebianPackageTests {
    static let paragraph = """
        Package: linux-image-cloud-amd64
        Version: 2:6.1.1-1+b1
        Architecture: amd64
        Depends: linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1), kmod | module-tools, libc6:any
        Description: kernel
         Depends: not a field
        Filename: pool/l/x.deb
        Size: 1504
        SHA256: 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff

        Package: other
        Version: 1
        """

    @Test func theFirstParagraphIsRead() throws {
        let package = try #require(DebianPackage(paragraph: Self.paragraph))
        #expect(package.name == "linux-image-cloud-amd64")
        #expect(package.version == "2:6.1.1-1+b1")
        #expect(package.fileName == "linux-image-cloud-amd64_2%3a6.1.1-1+b1_amd64.deb")
        #expect(package.size == 1504)
        #expect(package.sha256 == "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
        #expect(package.depends == ["linux-image-6.1.0-1-cloud-amd64", "kmod", "libc6"])
    }

    @Test(arguments: ["Package", "Version", "Architecture", "Filename", "Size", "SHA256"])
    func anEntryThatCannotBeDownloadedIsNone(field: String) {
        let lines = Self.paragraph.split(separator: "\n", omittingEmptySubsequences: false)
        let rest = lines.filter { !$0.hasPrefix(field + ":") }.prefix { !$0.isEmpty }.joined(separator: "\n")
        #expect(DebianPackage(paragraph: rest) == nil)
    }

    @Test func namesThatWouldLeaveTheCacheAreRefused() {
        let text = Self.paragraph.replacing("Version: 2:", with: "Version: ../../")
        #expect(DebianPackage(paragraph: text) == nil)
    }
}
