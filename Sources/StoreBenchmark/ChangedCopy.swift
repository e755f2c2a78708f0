import Foundation
import Workflow

/// Makes the changed copy of the disk: boots it, logs in on the serial console, and installs packages with apt-get.
///
/// The guest needs a root with the password `stemma` and a network by DHCP, as `images/debian-12.yaml` has them.
struct ChangedCopy {
    let bench: Workbench

    static let packages = ["nginx", "redis-server", "sqlite3", "htop", "jq", "ruby", "tcpdump", "imagemagick"]

    /// - Returns: the copy's path.
    func make() throws -> String {
        let copy = bench.path("changed.raw")
        bench.progress.step("copying the disk")
        try bench.run(Program(path: "/bin/cp", arguments: ["--sparse=always", bench.request.disk, copy]))
        bench.progress.step("booting the copy")
        let socket = bench.path("console.sock")
        let guest = try BackgroundProgram(
            bench.tool(
                .qemu,
                [
                    "-machine", GuestSnapshots.machine + ",accel=tcg", "-cpu", "max", "-m", "1024M", "-smp", "2",
                    "-nodefaults", "-display", "none", "-vga", "none", "-chardev",
                    "socket,id=console,path=\(socket),server=on,wait=off", "-device", "isa-serial,chardev=console",
                    "-drive", "file=\(copy),format=raw,if=virtio,cache=unsafe,discard=unmap", "-netdev", "user,id=net",
                    "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
                ]), scratch: bench.scratch)
        let console = try guest.wait(for: "its console", seconds: 60) { LocalConnection(socket: socket) }
        _ = try console.text(before: "login: ", seconds: 900)
        try console.send("root\n")
        _ = try console.text(before: "assword: ", seconds: 120)
        try console.send("stemma\n")
        _ = try console.text(before: "# ", seconds: 120)
        // The marks are put together by the shell, so that the echo of a command is not taken for its end.
        func run(_ command: String, seconds: Int) throws {
            try console.send(command + "; echo end''-$?-\n")
            _ = try console.text(before: "end-", seconds: seconds)
            let status = try console.text(before: "-", seconds: 10)
            guard status == "0" else {
                throw WorkflowError(
                    .unavailable,
                    "In the guest, '\(command)' failed with status \(status). Does it reach the network? Make the changed "
                        + "copy by hand and name it with --changed.")
            }
        }
        bench.progress.step("apt-get update in the guest")
        try run("apt-get -q update", seconds: 1200)
        bench.progress.step("apt-get install in the guest: \(Self.packages.joined(separator: ", "))")
        try run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q " + Self.packages.joined(separator: " "),
            seconds: 3600)
        try run("apt-get clean && sync", seconds: 300)
        try console.send("poweroff\n")
        try guest.waitForEnd(seconds: 300)
        return copy
    }
}
