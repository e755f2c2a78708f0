import Benchmarking
import Workflow

/// A guest's serial console, with root logged in.
///
/// The guest's root has the password `stemma`, as that of `images/debian-12.yaml`.
struct Console {
    private let connection: LocalConnection

    /// Waits for the login and logs in.
    init(_ guest: borrowing BackgroundProgram, socket: String) throws {
        connection = try guest.wait(for: "its console", seconds: 60) { LocalConnection(socket: socket) }
        _ = try connection.text(before: "login: ", seconds: 900)
        try connection.send("root\n")
        _ = try connection.text(before: "assword: ", seconds: 120)
        try connection.send("stemma\n")
        _ = try connection.text(before: "# ", seconds: 120)
    }

    /// Runs a command to its end; a status other than 0 is an error with `advice`.
    func run(_ command: String, seconds: Int, advice: String = "") throws {
        // The mark is put together by the shell, so that the echo of the command is not taken for its end.
        try connection.send(command + "; echo end''-$?-\n")
        _ = try connection.text(before: "end-", seconds: seconds)
        let status = try connection.text(before: "-", seconds: 10)
        guard status == "0" else {
            throw WorkflowError(
                .unavailable, "In the guest, '\(command)' failed with status \(status). \(advice)")
        }
    }

    /// Switches the guest off.
    func powerOff(_ guest: borrowing BackgroundProgram) throws {
        try connection.send("poweroff\n")
        try guest.waitForEnd(seconds: 300)
    }

    /// QEMU with a disk that it writes to and a console on a socket.
    static func program(_ bench: Workbench, disk: String, socket: String, network: Bool) -> Program {
        var words = [
            "-machine", GuestSnapshots.machine + ",accel=tcg", "-cpu", "max", "-m", "1024M", "-smp", "2", "-nodefaults",
            "-display", "none", "-vga", "none", "-chardev", "socket,id=console,path=\(socket),server=on,wait=off",
            "-device", "isa-serial,chardev=console",
            "-drive", "file=\(disk),format=raw,if=virtio,cache=unsafe,discard=unmap", "-device", "virtio-rng-pci",
        ]
        if network { words += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"] }
        return bench.tool(.qemu, words)
    }
}
