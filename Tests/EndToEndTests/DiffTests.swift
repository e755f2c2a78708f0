import Foundation
import Testing

/// `stemma diff` on file systems made and changed by e2fsprogs.
@Suite struct DiffTests {
    private let home: TestHome

    init() throws { home = try TestHome() }

    private struct Report: Decodable {
        struct Disk: Decodable {
            struct Size: Decodable { let changed, added, removed: UInt64 }
            struct FileSystem: Decodable {
                struct Change: Decodable {
                    let path, kind: String
                }
                let name: String
                let changes: [Change]
            }
            let disk: String
            let size: Size
            let fileSystems: [FileSystem]
        }
        let disks: [Disk]
    }

    private func shell(_ script: String) async throws {
        let output = try await Tool.run("/bin/sh", ["-ec", script])
        try #require(output.status == 0, "\(output.all)")
    }

    @Test func namesTheFilesThatDiffer() async throws {
        let path = home.path
        try await shell(
            """
            cd \(path); mkdir -p tree/etc; echo old > tree/etc/name; echo same > tree/etc/same
            for i in $(seq 100); do echo $i > tree/f$i; done
            mke2fs -q -t ext4 -d tree part 24M
            truncate -s 40M a.raw; echo 'start=2048, size=49152' | sfdisk -q a.raw
            dd if=part of=a.raw bs=1M seek=1 conv=notrunc status=none
            echo longer than it was > content
            printf 'rm f7\\nmkdir new\\nrm /etc/name\\ncd /etc\\nwrite content name\\n' | debugfs -w -f - part
            cp --sparse=always a.raw b.raw; dd if=part of=b.raw bs=1M seek=1 conv=notrunc status=none
            """)
        try await home.stemma("vm", "create", "A", "--disk", path + "/a.raw")
        try await home.stemma("vm", "create", "B", "--disk", path + "/b.raw", "--memory", "2048")
        let output = try await home.stemma("diff", "A", "B", "--json")
        let report = try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8))
        let disk = try #require(report.disks.first)
        #expect(disk.size.changed > 0)
        let system = try #require(disk.fileSystems.first)
        #expect(system.name == "vda1")
        let found = Dictionary(uniqueKeysWithValues: system.changes.map { ($0.path, $0.kind) })
        #expect(found == ["/etc/name": "modified", "/f7": "removed", "/new": "added"])
        let text = try await home.stemma("diff", "A", "B").standardOutput
        #expect(text.contains("M /etc/name") && text.contains("- /f7") && text.contains("+ /new/"), "\(text)")
        #expect(text.contains("memoryMiB: 1024 → 2048"), "\(text)")
        #expect(try await home.stemma("diff", "A", "A").standardOutput.contains("do not differ"))
        try await home.stemma("diff", "A", "C", expecting: 66)
    }
}
