import Foundation
import Synchronization
import Testing
import VMState

/// A snapshot that a real QEMU made, with what QEMU itself said about the guest at that moment.
struct Fixture: Sendable {
    /// Arguments that describe the machine, to be used again for loading.
    var arguments: [String]
    /// The migration stream.
    var stream: [UInt8]
    /// Output of `info registers` for CPU 0.
    var registers: String
    /// Guest-physical memory from 0 to 1 MiB.
    var lowMemory: [UInt8]
}

/// The snapshots that the tests share; each is made once, when it is first asked for.
enum FixtureCase: String, CaseIterable, Sendable {
    case pc, pcTwoCPUs, pcUserNetwork, q35FourCPUs, q35AtReset, pcSavevm, pcLiveDirty, pcLiveXBZRLE

    private static let cache = Mutex<[FixtureCase: Fixture]>([:])

    /// The fixture, made now if nobody asked before.
    func fixture() throws -> Fixture {
        // The lock is held while QEMU runs: at most one runs at a time, and none twice.
        try Self.cache.withLock { cache in
            if let known = cache[self] { return known }
            let made = try make()
            cache[self] = made
            return made
        }
    }

    var machine: String {
        switch self {
        case .q35FourCPUs, .q35AtReset: "pc-q35-7.2"
        default: "pc-i440fx-7.2"
        }
    }

    var cpuCount: Int {
        switch self {
        case .pcTwoCPUs: 2
        case .q35FourCPUs: 4
        default: 1
        }
    }

    private var arguments: [String] {
        let base = ["-M", machine, "-smp", "\(cpuCount)"]
        switch self {
        case .pcTwoCPUs: return base + ["-m", "32", "-device", "VGA"]
        case .pcUserNetwork: return base + ["-m", "16", "-nic", "user,model=e1000"]
        case .q35FourCPUs: return base + ["-m", "32", "-device", "VGA"]
        case .q35AtReset: return base + ["-m", "32", "-S"]
        default: return base + ["-m", "16"]
        }
    }

    private func make() throws -> Fixture {
        let directory = try TemporaryDirectory()
        switch self {
        case .pcSavevm:
            let disk = directory["disk.qcow2"]
            try run("qemu-img", "create", "-q", "-f", "qcow2", disk, "16M")
            let qemu = try QEMU(arguments + ["-drive", "file=\(disk),if=virtio"])
            qemu.run(milliseconds: 300)
            try qemu.execute("stop")
            let facts = try facts(qemu, directory)
            #expect(try qemu.monitor("savevm first") == "")
            qemu.quit()
            let source = try SnapshotSource(path: disk, snapshot: "first")
            let bytes = try source.bytes(at: 0, length: Int(source.count))
            // Loading it needs a disk of the same kind.
            return Fixture(
                arguments: arguments + ["-drive", "driver=null-co,size=16M,if=virtio"], stream: bytes,
                registers: facts.registers, lowMemory: facts.lowMemory)
        case .pcLiveDirty, .pcLiveXBZRLE:
            return try makeLive(directory)
        default:
            let qemu = try QEMU(arguments)
            if self != .q35AtReset { qemu.run(milliseconds: 400) }
            try qemu.execute("stop")
            let facts = try facts(qemu, directory)
            try qemu.migrate(to: directory["stream"])
            qemu.quit()
            return Fixture(
                arguments: arguments, stream: try read(directory["stream"]), registers: facts.registers,
                lowMemory: facts.lowMemory)
        }
    }

    /// A guest that writes to 64 KiB all the time, so that the migration needs many rounds.
    private func makeLive(_ directory: TemporaryDirectory) throws -> Fixture {
        // mov ax,2000h; mov es,ax; again: xor di,di; mov cx,100h; inc bx;
        // mov eax,cr0; xor eax,10000h; mov cr0,eax  (changing WP flushes the TLB: without that, TCG of QEMU 7.2 forgets
        // to mark pages dirty that it marked once)
        // mov ax,bx; next: mov es:[di],ax; add di,100h; loop next; jmp again
        let code: [UInt8] = [
            0xb8, 0x00, 0x20, 0x8e, 0xc0, 0x31, 0xff, 0xb9, 0x00, 0x01, 0x43, 0x0f, 0x20, 0xc0, 0x66, 0x35, 0x00, 0x00,
            0x01, 0x00, 0x0f, 0x22, 0xc0, 0x89, 0xd8, 0x26, 0x89, 0x05, 0x81, 0xc7, 0x00, 0x01, 0xe2, 0xf7, 0xeb, 0xe1,
        ]
        var sector = code + [UInt8](repeating: 0, count: 510 - code.count) + [0x55, 0xaa]
        sector += [UInt8](repeating: 0, count: 1 << 20 - 512)
        let disk = directory["boot.img"]
        try Data(sector).write(to: URL(fileURLWithPath: disk))
        let arguments = arguments + ["-drive", "file=\(disk),format=raw,if=ide,snapshot=on"]
        let qemu = try QEMU(arguments)
        let isXBZRLE = self == .pcLiveXBZRLE
        try waitForWrites(qemu)
        try qemu.execute(
            "migrate-set-capabilities", ["capabilities": [["capability": "xbzrle", "state": isXBZRLE]]])
        try qemu.execute("migrate-set-parameters", ["max-bandwidth": 1 << 20, "downtime-limit": 1])
        try qemu.execute("migrate", ["uri": "exec:cat > \(directory["stream"])"])
        while true {
            let answer = try #require(try qemu.execute("query-migrate") as? [String: Any])
            let status = try #require(answer["status"] as? String)
            if status == "completed" { break }
            #expect(status == "setup" || status == "active" || status == "device", "\(answer)")
            let ram = answer["ram"] as? [String: Any]
            if (ram?["dirty-sync-count"] as? Int ?? 0) >= 6 {
                try qemu.execute("migrate-set-parameters", ["max-bandwidth": 1 << 30, "downtime-limit": 20_000])
            }
            qemu.run(milliseconds: 20)
        }
        let facts = try facts(qemu, directory)
        qemu.quit()
        return Fixture(
            arguments: self.arguments + ["-drive", "driver=null-co,size=1M,if=ide"],
            stream: try read(directory["stream"]), registers: facts.registers, lowMemory: facts.lowMemory)
    }

    /// Waits until the boot sector runs.
    private func waitForWrites(_ qemu: QEMU) throws {
        for _ in 0..<1000 {
            if try !qemu.monitor("xp /1hx 0x20000").contains("0x0000") { return }
            qemu.run(milliseconds: 20)
        }
        Issue.record("the boot sector did not start")
    }

    private func facts(
        _ qemu: QEMU, _ directory: TemporaryDirectory
    ) throws -> (registers: String, lowMemory: [UInt8]) {
        let registers = try qemu.monitor("info registers")
        #expect(try qemu.monitor("pmemsave 0 0x100000 \"\(directory["low"])\"") == "")
        return (registers, try read(directory["low"]))
    }

    private func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
}

extension Fixture {
    /// The stream parsed, with the contents of all pages.
    func parsed() throws -> (stream: MigrationStream, pages: RAMPageTable) {
        var table = RAMPageTable()
        let stream = try MigrationStreamReader(ArrayByteSource(stream)).read(pages: &table)
        return (stream, table)
    }
}

/// Keeps all pages in the order of the records.
struct RecordingSink: RAMPageSink {
    var records: [[UInt8]] = []
    var table = RAMPageTable()

    mutating func begin(blocks: [RAMBlock]) { table.begin(blocks: blocks) }

    mutating func data(block: Int, page: UInt64, bytes: RawSpan) {
        records.append(bytes.withUnsafeBytes { Array($0) })
        table.data(block: block, page: page, bytes: bytes)
    }

    mutating func zero(block: Int, page: UInt64) { table.zero(block: block, page: page) }

    mutating func current(block: Int, page: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
        table.current(block: block, page: page, into: buffer)
    }
}
