import Machine
import PCDevices
import VMState

/// The device sections of a stream: loaded, used by a hostile guest, saved, and loaded again.
///
/// An input is a script of `DeviceExercise` with its length in four bytes before it, and a stream without RAM behind. libFuzzer changes
/// both.
enum BoardTarget: FuzzTarget {
    static let name = "board"

    /// `Tests/fuzz` adds streams of QEMU, which are what matters.
    static func seeds() throws -> [[UInt8]] { [seed(Array("QEVM\0\0\0\u{3}".utf8))] }

    /// A stream behind a script that touches everything a little.
    static func seed(_ skeleton: [UInt8]) -> [UInt8] {
        var script: [UInt8] = []
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        for _ in 0..<DeviceExercise.actionByteCount * 60 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            script.append(UInt8(truncatingIfNeeded: state >> 56))
        }
        let count = (0..<4).map { UInt8(truncatingIfNeeded: script.count >> (24 - 8 * $0)) }
        return count + script + skeleton
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 4 else { return }
        let count = (0..<4).reduce(0) { $0 << 8 | Int(bytes[$1]) }
        guard count <= bytes.count - 4, count <= DeviceExercise.actionLimit * DeviceExercise.actionByteCount else {
            return
        }
        let script = Array(bytes[4..<4 + count])
        guard let stream = try? MigrationStream(skeleton: Array(bytes[(4 + count)...])),
            let machine = try? machine(stream)
        else { return }
        check(stream, machine)
        if let text = DeviceExercise(script).run(on: machine) { finding(text) }
        check(stream, machine)
    }

    /// What is saved can be loaded.
    private static func check(_ stream: MigrationStream, _ machine: Machine) {
        // A section that lacks fields cannot be saved to.
        guard let saved = try? machine.save(over: stream) else { return }
        guard let bytes = try? saved.skeleton(), let again = try? MigrationStream(skeleton: bytes) else {
            finding("a saved machine cannot be read as a stream")
        }
        do {
            _ = try Self.machine(again)
        } catch {
            finding("a saved machine cannot be loaded: \(error)")
        }
    }

    private static func machine(_ stream: MigrationStream) throws -> Machine {
        let source = MemoryPageSource(regions: [MemoryRegion(name: "ram", start: 0, byteCount: 4 << 20)])
        return try Machine(
            stream, base: try BaseMemory(source: source), disks: [EmptyDisk(), EmptyDisk()], options: .wholeMachine)
    }

    private struct EmptyDisk: BlockStorage {
        let byteCount: UInt64 = 1 << 20

        func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }
}
