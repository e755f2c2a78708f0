import Conversion
import Testing
import VMState

/// C03 and C39 on snapshots that QEMU makes of small machines, against what QEMU does with them.
@Suite struct DeviceSetTests {
    private static let machine = ["-M", "pc-i440fx-7.2", "-m", "8", "-vga", "none"]

    /// The stream of a machine, and its file.
    private func saved(_ arguments: [String], in directory: TemporaryDirectory) throws -> MigrationStream {
        let qemu = try QEMU(arguments + ["-S"])
        try qemu.migrate(to: directory["stream"])
        qemu.quit()
        var sink = DiscardingPageSink()
        return try MigrationStreamReader(try FileByteSource(path: directory["stream"])).read(pages: &sink)
    }

    /// Whether QEMU loads the file into a machine.
    private func isLoaded(_ arguments: [String], from directory: TemporaryDirectory) throws -> Bool {
        do {
            let qemu = try QEMU(arguments + ["-S", "-incoming", "exec:cat \(directory["stream"])"])
            _ = try qemu.incomingStatus()
            qemu.quit()
            return true
        } catch is QEMU.Failure {
            return false
        }
    }

    private func findings(_ stream: MigrationStream, machine: String, arguments: [String]) throws -> [Finding] {
        let record = LaunchRecord(machine: machine, cpu: "qemu64", cpus: 1, memoryBytes: 8 << 20, arguments: arguments)
        let context = try KVMLikeStream.context(stream, launch: record)
        return try SnapshotConverter().check(context, policy: .standard).findings(of: "C03")
    }

    @Test(
        arguments: [
            (["-device", "rtl8139"], ["0000:00:02.0/rtl8139"]),
            (["-device", "ahci,addr=7"], ["0000:00:07.0/ich9_ahci"]),
            (
                ["-device", "piix3-usb-uhci", "-device", "usb-tablet"],
                ["0000:00:02.0/uhci", "0000:00:02.0/1/usb-ptr"]
            ),
            (["-nic", "user,model=e1000"], ["0000:00:02.0/e1000", "slirp"]),
            (
                ["-netdev", #"{"type": "user", "id": "n"}"#, "-device", #"{"driver": "rtl8139", "netdev": "n"}"#],
                ["0000:00:02.0/rtl8139", "slirp"]
            ),
            (["-device", "e1000", "-device", "e1000"], ["0000:00:02.0/e1000", "0000:00:03.0/e1000"]),
            // QEMU makes devices that are given as JSON after all others.
            (
                ["-device", #"{"driver": "virtio-rng-pci"}"#, "-device", "i6300esb"],
                ["0000:00:02.0/i6300esb_wdt", "0000:00:03.0/virtio-rng"]
            ),
        ] as [([String], [String])])
    func devicesAreComparedWithTheCommandLine(_ devices: [String], _ sections: [String]) throws {
        let directory = try TemporaryDirectory()
        let stream = try saved(Self.machine + devices, in: directory)
        // Given: QEMU loads it. Not given: QEMU refuses it, and the finding names each section.
        #expect(try findings(stream, machine: "pc-i440fx-7.2", arguments: devices).map(\.severity) == [.ok])
        #expect(try isLoaded(Self.machine + devices, from: directory))
        let missing = try #require(try findings(stream, machine: "pc-i440fx-7.2", arguments: []).first)
        #expect(missing.severity == .fatal)
        #expect(missing.evidence.compactMap(\.section) == sections.map { "\($0)#0" })
        #expect(try !isLoaded(Self.machine, from: directory))
        // Others are no substitute, whatever they are.
        let other = ["-vga", "std"]
        #expect(try findings(stream, machine: "pc-i440fx-7.2", arguments: other).first?.severity == .fatal)
    }

    @Test func aDeviceThatTheSnapshotLacksIsToldAndLoads() throws {
        let directory = try TemporaryDirectory()
        let stream = try saved(Self.machine + ["-device", "rtl8139"], in: directory)
        let more = ["-device", "rtl8139", "-device", "rtl8139", "-usb"]
        let surplus = try #require(try findings(stream, machine: "pc-i440fx-7.2", arguments: more).first)
        #expect(surplus.severity == .warning)
        #expect(surplus.evidence.map(\.value) == ["2, in the snapshot 1", "1, in the snapshot 0"])
        #expect(try isLoaded(Self.machine + ["-device", "rtl8139", "-device", "rtl8139,addr=9"], from: directory))
    }

    @Test func q35HasADiskControllerOfItsOwn() throws {
        let directory = try TemporaryDirectory()
        let machine = ["-M", "pc-q35-7.2", "-m", "8", "-vga", "none"]
        let own = try saved(machine, in: directory)
        #expect(try findings(own, machine: "pc-q35-7.2", arguments: []).map(\.severity) == [.ok])
        let two = try saved(machine + ["-device", "ahci"], in: directory)
        #expect(try findings(two, machine: "pc-q35-7.2", arguments: []).first?.evidence.count == 1)
        #expect(try findings(two, machine: "pc-q35-7.2", arguments: ["-device", "ahci"]).map(\.severity) == [.ok])
    }
}
