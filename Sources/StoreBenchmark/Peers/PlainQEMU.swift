import Foundation
import Workflow

/// A guest as a user of plain QEMU runs it: a qcow2 overlay of the disk, snapshots by `savevm` and `-loadvm`.
struct PlainQEMU: ~Copyable {
    private let background: BackgroundProgram
    private let monitorSocket: String
    private let console: String
    private var client: MonitorClient?

    /// The names of the guest's files below the scratch directory.
    private static let image = "plain.qcow2"

    /// Makes the overlay that the guest writes to.
    static func makeOverlay(_ bench: Workbench) throws {
        bench.remove(image)
        let words = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", bench.request.disk, bench.path(image)]
        try bench.run(bench.tool(.qemuImg, words))
    }

    /// Starts the guest, or resumes a snapshot of it.
    init(_ bench: Workbench, loading snapshot: String? = nil) throws {
        bench.remove("plain.sock", "plain.log")
        console = bench.path("plain.log")
        var arguments = [
            "-machine", GuestSnapshots.machine + ",accel=tcg", "-cpu", GuestSnapshots.cpu, "-m",
            "\(GuestSnapshots.memoryMiB)M", "-nodefaults", "-display", "none", "-vga", "none",
            "-serial", "file:" + console, "-qmp", "unix:\(bench.path("plain.sock")),server=on,wait=off",
            "-drive", "file=\(bench.path(Self.image)),format=qcow2,if=virtio",
        ]
        if let snapshot { arguments += ["-loadvm", snapshot] }
        background = try BackgroundProgram(bench.tool(.qemu, arguments), scratch: bench.scratch)
        monitorSocket = bench.path("plain.sock")
    }

    /// Seconds since the start.
    var age: Double { background.age }

    func waitForConsole(_ text: String, seconds: Double) throws {
        let console = console
        try background.wait(for: "'\(text)' on the console", seconds: seconds) {
            let bytes = (try? Data(contentsOf: URL(fileURLWithPath: console))) ?? Data()
            if bytes.range(of: Data(text.utf8)) != nil { return () }
            usleep(50_000)
            return nil
        }
    }

    /// The connection to QEMU's monitor, which is there once QEMU is.
    private mutating func monitor() throws -> MonitorClient {
        if let client { return client }
        let socket = monitorSocket
        let connected = try background.wait(for: "its monitor", seconds: 120) { MonitorClient(socket: socket) }
        client = connected
        return connected
    }

    /// Waits until the guest runs.
    mutating func waitUntilRunning() throws {
        let monitor = try monitor()
        try background.wait(for: "the guest ran", seconds: 120) {
            try monitor.command(#"{"execute": "query-status"}"#).contains(#""running": true"#) ? () : nil
        }
    }

    /// A command of the human monitor; what it prints is an error.
    mutating func humanCommand(_ line: String) throws {
        let answer = try monitor().command(
            #"{"execute": "human-monitor-command", "arguments": {"command-line": "\#(line)"}}"#)
        guard answer.contains(#""return": """#) else {
            throw WorkflowError(.unavailable, "QEMU's '\(line)' failed: \(answer)")
        }
    }
}

/// QEMU's monitor protocol, one command at a time.
private final class MonitorClient {
    private let descriptor: Int32
    private var rest: [UInt8] = []

    /// nil while nobody listens.
    init?(socket path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        let isShort = withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            guard path.utf8.count < capacity else { return false }
            bytes.copyBytes(from: path.utf8)
            return true
        }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard isShort, connected == 0, (try? line()) != nil,
            (try? command(#"{"execute": "qmp_capabilities"}"#)) != nil
        else { return nil }
    }

    deinit { close(descriptor) }

    /// The answer's line; events before it are left out.
    func command(_ text: String) throws -> String {
        let bytes = Array((text + "\n").utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw WorkflowError(.unavailable, "QEMU's monitor takes no commands any more.")
        }
        while true {
            let line = try line()
            if line.contains(#""return""#) || line.contains(#""error""#) { return line }
        }
    }

    private func line() throws -> String {
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeFirst(end + 1)
                return line
            }
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { throw WorkflowError(.unavailable, "QEMU's monitor does not answer.") }
            rest += buffer[..<count]
        }
    }
}
