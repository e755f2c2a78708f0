import Foundation

/// `qemu-img`: creates the overlays of a run and reads their snapshot lists when QEMU has ended.
package struct ImageTool: Sendable {
    /// The path of `qemu-img`.
    package let executable: String

    package init(executable: String) { self.executable = executable }

    /// Creates an empty qcow2 image (64 KiB clusters), on top of a base or of nothing.
    ///
    /// The backing reference in the header is for people and other tools; QEMU gets the base on its command line.
    /// The base is not opened, so its server need not run yet.
    package static func createOverlay(at path: String, on base: LaunchOptions.DiskBase) throws {
        var backing: String?
        if case .nbd(let socket, let export, _) = base { backing = uri(socket: socket, export: export) }
        try EmptyOverlay(size: base.size, backing: backing).write(to: path)
    }

    /// Converts a raw disk into a compressed qcow2 image, as users of qemu-img keep disks.
    package func compress(_ disk: String, to image: String) async throws {
        _ = try await run(
            ["convert", "-c", "-f", "raw", "-O", "qcow2", disk, image], what: "convert \(disk)",
            scratch: Self.parent(image))
    }

    /// The internal snapshots in the images of a machine that does not run, oldest first.
    package func snapshots(
        in images: [(node: String, path: String)]
    ) async throws -> [InternalSnapshot] {
        var nodes: [(String, [SnapshotEntry])] = []
        for (node, path) in images {
            // Without the backing file: its server may be gone.
            let image: JSONValue = [
                "driver": "qcow2", "backing": .null, "file": ["driver": "file", "filename": .string(path)],
            ]
            let tool = try await run(
                ["info", "--output=json", "json:" + image.line], what: "read the snapshots of \(path)",
                scratch: Self.parent(path))
            struct Information: Decodable { let snapshots: [SnapshotEntry]? }
            do {
                let information = try JSONDecoder().decode(Information.self, from: Data(tool.output))
                nodes.append((node, information.snapshots ?? []))
            } catch {
                throw HypervisorError(
                    .malformedMessage, "qemu-img's description of \(path) cannot be read.", cause: "\(error)")
            }
        }
        return InternalSnapshot.merge(nodes)
    }

    /// The NBD URI of an export on a unix socket (NBD, doc/uri.md).
    static func uri(socket: String, export: String) -> String {
        let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
        func encoded(_ text: String) -> String {
            text.addingPercentEncoding(withAllowedCharacters: allowed) ?? text
        }
        return "nbd+unix:///\(encoded(export))?socket=\(encoded(socket))"
    }

    private func run(_ arguments: [String], what: String, scratch: String) async throws -> ToolRun {
        let tool = try await ToolRun.run(executable, arguments, scratch: scratch)
        guard tool.exit.isSuccess else {
            throw HypervisorError(
                .qemuFailed(exit: tool.exit, stderr: tool.errors), "qemu-img could not \(what).",
                cause: tool.errors.trimmingCharacters(in: .whitespacesAndNewlines))
        }
        return tool
    }

    private static func parent(_ path: String) -> String {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return directory.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : directory
    }
}
