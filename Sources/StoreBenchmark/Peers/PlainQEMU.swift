import Benchmarking
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
    static func makeOverlay(_ bench: Workbench, on disk: String) throws {
        bench.remove(image)
        let words = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, bench.path(image)]
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
    private let connection: LocalConnection

    /// nil while nobody listens.
    init?(socket path: String) {
        guard let connection = LocalConnection(socket: path) else { return nil }
        self.connection = connection
        guard (try? connection.line()) != nil, (try? command(#"{"execute": "qmp_capabilities"}"#)) != nil else {
            return nil
        }
    }

    /// The answer's line; events before it are left out.
    func command(_ text: String) throws -> String {
        try connection.send(text + "\n")
        while true {
            let line = try connection.line()
            if line.contains(#""return""#) || line.contains(#""error""#) { return line }
        }
    }
}
