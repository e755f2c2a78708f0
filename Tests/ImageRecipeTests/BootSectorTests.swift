import Foundation
import ImageRecipe
import Testing

@Suite struct BootSectorTests {
    private let boot = [UInt8](repeating: 1, count: 510) + [0x55, 0xAA]
    private var core: [UInt8] {
        var core = [UInt8](repeating: 2, count: 1500)
        core.replaceSubrange(500..<512, with: [2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 8])
        return core
    }

    @Test func toolsFindThePartition() throws {
        let directory = try TemporaryDirectory()
        let disk = directory.path + "/disk"
        let bytes = try BootSector.make(boot: boot, core: core, diskSectors: 131_072, signature: 0x1234_5678)
        try Data(bytes).write(to: URL(fileURLWithPath: disk))
        #expect(truncate(disk, 64 << 20) == 0)
        let (status, text) = try run(["sfdisk", "--json", disk], in: directory)
        #expect(status == 0, "\(text)")
        for part in [#""label": "dos""#, #""id": "0x12345678""#, #""start": 2048"#, #""size": 129024"#, #""type": "83""#, "bootable"] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(Array(bytes[..<440]) == Array(boot[..<440]), "the loader's code is untouched")
        #expect(Array(bytes[512...]) == core)
    }

    @Test func otherFilesOfGRUBAreRefused() {
        for (boot, core) in [
            (Array(boot.dropLast()), core), ([UInt8](repeating: 0, count: 512), core), (boot, [UInt8](repeating: 0, count: 1500)),
            (boot, core + [UInt8](repeating: 0, count: 1 << 20)), (boot, []),
        ] {
            let error = #expect(throws: RecipeError.self) {
                try BootSector.make(boot: boot, core: core, diskSectors: 131_072, signature: 1)
            }
            #expect(error?.code == .unsuitablePackage)
        }
    }
}
