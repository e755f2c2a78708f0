import ContentStore
import Foundation
import Hypervisor
import Lineage
import Testing
import Workflow

/// A guest of one boot sector that fills 64 KiB of memory, prints `READY` and then `tick a`, `tick b`, ....
///
/// The letter lives in a register: a resumed guest prints the next one, and not `READY`.
enum SmallGuest {
    static let bootSector: [UInt8] = {
        var code: [UInt8] = []
        func print(_ text: String) {
            for byte in text.utf8 { code += [0xb0, byte, 0xba, 0xf8, 0x03, 0xee] }  // mov; mov $0x3f8,%dx; out
        }
        code += [0xb8, 0x00, 0x20, 0x8e, 0xc0, 0x31, 0xff]  // es:di = 2000:0
        code += [0xb9, 0x00, 0x80, 0x89, 0xf8, 0xab, 0xe2, 0xfb]  // mov $0x8000,%cx; 1: mov %di,%ax; stosw; loop 1b
        print("READY\n")
        code += [0xb3, UInt8(ascii: "a")]  // mov $'a',%bl
        let loop = code.count
        print("tick ")
        code += [0x88, 0xd8, 0xba, 0xf8, 0x03, 0xee]  // mov %bl,%al; print it
        print("\n")
        code += [0xb9, 0x02, 0x00]  // mov $2,%cx
        code += [0xfb, 0xf4, 0x49, 0x75, 0xfb]  // 1: sti; hlt; dec %cx; jnz 1b
        code += [0xfe, 0xc3, 0x80, 0xfb, 0x7b, 0x72, 0x02, 0xb3, 0x61]  // next letter, 'a' after 'z'
        let distance = Int16(loop - (code.count + 3))
        code += [0xe9, UInt8(truncatingIfNeeded: distance), UInt8(truncatingIfNeeded: distance >> 8)]  // jmp loop
        return code + [UInt8](repeating: 0, count: 510 - code.count) + [0x55, 0xaa]
    }()
}

extension TemporaryHome {
    /// A VM with 32 MiB that boots ``SmallGuest``.
    func createSmallGuest(
        _ name: String = "Small", machine: String = "pc-i440fx-7.2", arguments: [String] = []
    ) throws {
        let ingest = try stemma.store.beginIngest(label: "test")
        let editor = try ingest.edit(nil, kind: .disk, length: 1 << 20)
        try editor.write(SmallGuest.bootSector, at: 0)
        var commit = Commit(kind: EdgeKind.image.rawValue)
        commit.disks["disk0"] = try editor.finish()
        let configuration = MachineConfiguration(
            machine: machine, cpu: "qemu64", memoryMiB: 32, diskCount: 1, extraArguments: arguments)
        commit.machine = try ingest.putBlob([UInt8](JSONEncoder().encode(configuration)))
        try stemma.catalogue.createVM(Name(name), commit: commit, ingest: ingest, operation: "test")
    }

    func snapshot(_ reference: String) throws -> NamedCommit {
        try stemma.catalogue.snapshot(Reference(parsing: reference))
    }
}
