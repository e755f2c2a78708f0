import Machine
import PCDevices
import Testing
import VMState

/// Whatever a guest does to the devices of a whole machine, and whatever bytes their sections hold: nothing traps, nothing runs for
/// ever, and what is saved can be loaded.
@Suite struct HostileBoardTests {
    /// SplitMix64: the same sequence in every run.
    private struct Sequence: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
            return value ^ value >> 31
        }

        mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
    }

    private struct EmptyDisk: BlockStorage {
        let byteCount: UInt64 = 1 << 20

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    private func machine(_ stream: MigrationStream) throws -> Machine {
        let source = MemoryPageSource(regions: [MemoryRegion(name: "pc.ram", start: 0, byteCount: 2 << 20)])
        return try Machine(
            stream, base: try BaseMemory(source: source), disks: [EmptyDisk()], options: .wholeMachine)
    }

    @Test(arguments: [QEMUStreams.pc, QEMUStreams.q35])
    func accessesOfAllKinds(_ arguments: [String]) throws {
        let (stream, _) = try QEMUStreams.make(arguments)
        for seed in UInt64(0)..<24 {
            var random = Sequence(state: seed)
            let machine = try machine(stream)
            let script = random.bytes(DeviceExercise.actionByteCount * 1500)
            #expect(DeviceExercise(script).run(on: machine) == nil, "seed \(seed)")
            let saved = try machine.save(over: stream)
            let again = try MigrationStream(skeleton: saved.skeleton())
            _ = try self.machine(again)
        }
    }

    /// Virtio devices that were started with rings of random contents.
    @Test(arguments: [QEMUStreams.pc, QEMUStreams.q35])
    func ringsOfRandomContents(_ arguments: [String]) throws {
        let (stream, _) = try QEMUStreams.make(arguments)
        for seed in UInt64(100)..<140 {
            var random = Sequence(state: seed)
            let machine = try machine(stream)
            var script: [UInt8] = []
            for _ in 0..<400 {
                var action = random.bytes(DeviceExercise.actionByteCount)
                // Five of six fill the rings, the others start a device and notify it.
                action[0] = action[0] & 0xF8 | (action[7] % 6 == 0 ? 6 : 5)
                script += action
            }
            #expect(DeviceExercise(script).run(on: machine) == nil, "seed \(seed)")
            _ = try self.machine(try MigrationStream(skeleton: try machine.save(over: stream).skeleton()))
        }
    }

    /// Sections with bytes changed at random: they are refused or loaded.
    @Test(arguments: [QEMUStreams.pc, QEMUStreams.q35])
    func damagedSections(_ arguments: [String]) throws {
        let (stream, _) = try QEMUStreams.make(arguments)
        var loaded = 0
        for seed in UInt64(200)..<500 {
            var random = Sequence(state: seed)
            var damaged = stream
            for _ in 0..<1 + random.next() % 8 {
                let device = stream.devices[Int(random.next() % UInt64(stream.devices.count))]
                guard let field = device.fields()?.randomElement(using: &random), !field.place.range.isEmpty else {
                    continue
                }
                let special: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF]
                var section = try #require(damaged.device(device.idstr, device.instanceID))
                guard var bytes = try? section.bytes(field.path) else { continue }
                for _ in 0..<1 + random.next() % 4 {
                    let value = random.next()
                    bytes[Int(random.next() % UInt64(bytes.count))] =
                        value & 1 == 0 ? special[Int(value >> 1) % 5] : UInt8(truncatingIfNeeded: value >> 8)
                }
                try section.set(field.path, toBytes: bytes)
                try damaged.replace(section)
            }
            guard let machine = try? machine(damaged) else { continue }
            loaded += 1
            let script = random.bytes(DeviceExercise.actionByteCount * 100)
            #expect(DeviceExercise(script).run(on: machine) == nil, "seed \(seed)")
            let saved = try machine.save(over: damaged)
            _ = try self.machine(try MigrationStream(skeleton: saved.skeleton()))
        }
        #expect(loaded > 100)
    }
}
