import Foundation
import Hypervisor
import Testing

@Suite struct EmptyOverlayTests {
    private struct Information: Decodable {
        let size: UInt64
        let format: String
        let backing: String?
        let backingFormat: String?
        private enum CodingKeys: String, CodingKey {
            case size = "virtual-size"
            case format
            case backing = "backing-filename"
            case backingFormat = "backing-filename-format"
        }
    }

    private func tool(_ arguments: String...) throws -> (status: Int32, output: Data) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/qemu-img")
        process.arguments = arguments
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    /// Sizes around a sector, an L1 entry (512 MiB) and a cluster of L1 entries (4 TiB).
    private static let sizes: [UInt64] = [
        0, 1, 512, 1_048_576, 536_870_400, 536_870_912, 536_870_913, 107_374_182_400, 4_398_046_511_104,
        4_398_046_511_616,
    ]

    @Test(arguments: sizes) func qemuImgFindsNothingWrong(_ size: UInt64) async throws {
        try await TemporaryDirectory.with { directory in
            for (index, base) in [
                LaunchOptions.DiskBase.empty(size: size), .nbd(socket: "/tmp/a b.sock", export: "disk 0", size: size),
            ].enumerated() {
                let path = "\(directory.path)/\(index).qcow2"
                try ImageTool.createOverlay(at: path, on: base)
                // Without the base, which is not there.
                let image = #"json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"\#(path)"}}"#
                #expect(try tool("check", "-q", image).status == 0)
                let described = try tool("info", "-U", "--output=json", path)
                let information = try JSONDecoder().decode(Information.self, from: described.output)
                #expect(information.size == (size + 511) / 512 * 512)
                #expect(information.format == "qcow2")
                #expect(information.backing == (index == 0 ? nil : "nbd+unix:///disk%200?socket=/tmp/a%20b.sock"))
                #expect(information.backingFormat == (index == 0 ? nil : "raw"))
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
                // Never over something that is there.
                #expect(throws: HypervisorError.self) { try ImageTool.createOverlay(at: path, on: base) }
            }
            #expect(throws: HypervisorError.self) {
                try ImageTool.createOverlay(at: directory.path + "/big", on: .empty(size: 1 << 60))
            }
        }
    }
}
