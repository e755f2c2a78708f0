/// Where the files of one run are. Pure text: nothing here touches the file system.
package struct RunPaths: Sendable, Hashable, Codable {
    /// The run's own directory.
    package let directory: String
    /// The directory of its sockets: the same, or a shorter one when ``directory`` is too long for a socket address.
    package let socketDirectory: String

    package init(directory: String, socketDirectory: String? = nil) {
        self.directory = directory
        self.socketDirectory = socketDirectory ?? directory
    }

    /// The longest path that fits `sockaddr_un.sun_path` (108 bytes with the NUL), see unix(7).
    package static let longestSocketPath = 107
    /// The longest name among the sockets below, with its slash.
    static let longestSocketName = "/incoming.sock".utf8.count

    /// The QMP monitor of the process that owns the run.
    package var monitorSocket: String { socketDirectory + "/qmp.sock" }
    /// The QMP monitor for other processes, one at a time.
    package var controlSocket: String { socketDirectory + "/control.sock" }
    /// Where QEMU takes a migration stream from.
    package var incomingSocket: String { socketDirectory + "/incoming.sock" }
    /// Where the owner of the run takes requests of other processes: ``RequestServer``.
    package var requestSocket: String { socketDirectory + "/request.sock" }
    /// For the NBD server that provides the disks' bases; the owner of the run binds it.
    package var exportSocket: String { socketDirectory + "/nbd.sock" }

    /// The guest's serial output.
    package var serialLog: String { directory + "/serial.log" }
    /// QEMU's stderr.
    package var errorLog: String { directory + "/stderr.log" }
    /// QEMU's log of interrupts while a resumed guest is watched: ``GuestWatch``.
    package var interruptLog: String { directory + "/interrupts.log" }
    /// The exact command line in shell syntax.
    package var commandFile: String { directory + "/command.sh" }
    /// The ``RunRecord``.
    package var recordFile: String { directory + "/run.json" }
    /// The ``RunResult``, present when the run has ended in order.
    package var resultFile: String { directory + "/result.json" }
    /// Locked while the run is alive.
    package var lockFile: String { directory + "/lock" }
    /// The image of the block node ``MachineConfiguration/machineStateNode``.
    package var machineStateImage: String { directory + "/vmstate.qcow2" }
    /// Stands in for a kernel that a resumed guest does not need any more.
    package var placeholderKernel: String { directory + "/placeholder-kernel" }

    /// The qcow2 overlay of a disk.
    package func overlay(of disk: MachineConfiguration.Disk) -> String { "\(directory)/\(disk.id).qcow2" }

    /// The image file of a block node, or `nil` when the machine has no such node.
    package func image(ofNode node: String, in configuration: MachineConfiguration) -> String? {
        if node == MachineConfiguration.machineStateNode { return machineStateImage }
        return configuration.disks.first { $0.id == node }.map(overlay(of:))
    }
}
