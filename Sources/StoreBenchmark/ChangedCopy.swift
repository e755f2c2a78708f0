import Benchmarking
import Foundation
import Workflow

/// Makes the changed copy of the disk: boots it, logs in on the serial console, and installs packages with apt-get.
///
/// The guest needs a network by DHCP, as that of `images/debian-12.yaml` has.
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
            Console.program(bench, disk: copy, socket: socket, network: true), scratch: bench.scratch)
        let console = try Console(guest, socket: socket)
        let advice = "Does it reach the network? Make the changed copy by hand and name it with --changed."
        bench.progress.step("apt-get update in the guest")
        try console.run("apt-get -q update", seconds: 1200, advice: advice)
        bench.progress.step("apt-get install in the guest: \(Self.packages.joined(separator: ", "))")
        try console.run(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -q " + Self.packages.joined(separator: " "),
            seconds: 3600, advice: advice)
        try console.run("apt-get clean && sync", seconds: 300)
        try console.powerOff(guest)
        return copy
    }
}
