import CCrypto
import CExt2FS
import CISAL
import CLZ4
import CLibXML2
import CLibvirt
import CNBD
import CZ3
import CZlib
import CZstd
import CZydis
import Testing

/// Each system library is found, linked or loaded, and answers: a missing Debian package shows here by name.
@Suite struct VersionTests {
    @Test func cryptoIsVersion3OrNewer() {
        #expect(OPENSSL_version_major() >= 3)
    }

    @Test func lz4AnswersItsHeaderVersion() {
        #expect(LZ4_versionNumber() >= 10_900)
    }

    @Test func zstdAnswersItsHeaderVersion() {
        #expect(ZSTD_versionNumber() >= 10_500)
    }

    @Test func zlibIsVersion1() throws {
        let version = try #require(zlibVersion())
        #expect(String(cString: version).hasPrefix("1."))
    }

    @Test func xmlParsesADocument() throws {
        let text = "<domain type='qemu'/>"
        let xml = try #require(xml_library_load("libxml2.so.2")).pointee
        let document = xml.xmlReadMemory(text, Int32(text.utf8.count), nil, nil, 0)
        #expect(document != nil)
        xml.xmlFreeDoc(document)
    }

    @Test func libvirtAnswersItsVersion() throws {
        let libvirt = try #require(libvirt_library_load("libvirt.so.0")).pointee
        var version: UInt = 0
        #expect(libvirt.virGetVersion(&version, nil, nil) == 0)
        #expect(version >= 9_000_000)
    }

    @Test func z3IsVersion48OrNewer() throws {
        let z3 = try #require(z3_library_load("libz3.so.4")).pointee
        var major: UInt32 = 0
        var minor: UInt32 = 0
        var build: UInt32 = 0
        var revision: UInt32 = 0
        z3.Z3_get_version(&major, &minor, &build, &revision)
        #expect(major > 4 || (major == 4 && minor >= 8))
    }

    @Test func nbdIsVersion1() throws {
        let nbd = try #require(nbd_library_load("libnbd.so.0")).pointee
        let handle = try #require(nbd.nbd_create())
        defer { nbd.nbd_close(handle) }
        let version = try #require(nbd.nbd_get_version(handle))
        #expect(String(cString: version).hasPrefix("1."))
    }

    @Test func isalKnowsTheCheckValueOfCRC32C() {
        var text = Array("123456789".utf8)
        // The library leaves the initial and the final inversion to its caller.
        #expect(~crc32_iscsi(&text, Int32(text.count), 0xFFFF_FFFF) == 0xE306_9283)
    }

    @Test func ext2fsIsVersion1_47OrNewer() {
        var version: UnsafePointer<CChar>?
        var date: UnsafePointer<CChar>?
        #expect(ext2fs_get_library_version(&version, &date) >= 147)
    }

    @Test func zydisIsVersion4() {
        #expect(ZydisGetVersion() >> 48 == 4)
    }
}
