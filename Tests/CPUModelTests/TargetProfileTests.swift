import CPUModel
import Testing

@Suite struct TargetProfileTests {
    @Test(arguments: [
        ("7.2.22", QEMUVersion(7, 2, 22)),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright", QEMUVersion(7, 2, 22)),
        ("QEMU emulator version 9.0.0-rc1", QEMUVersion(9, 0, 0)), ("10.0", QEMUVersion(10, 0)),
    ])
    func readsVersions(_ text: String, _ version: QEMUVersion) {
        #expect(QEMUVersion(text: text) == version)
    }

    @Test(arguments: ["", "QEMU", "version x.y", "7", "1.2.3.4"])
    func findsNoVersion(_ text: String) {
        #expect(QEMUVersion(text: text) == nil)
    }

    @Test func ordersVersions() {
        #expect(QEMUVersion(7, 2, 22) < QEMUVersion(9, 0))
        #expect(QEMUVersion(10, 0) > QEMUVersion(9, 2, 4))
        #expect(QEMUVersion(7, 2).description == "7.2.0")
    }

    @Test func abilitiesFollowTheVersion() {
        let old = TargetProfile.tcg(version: QEMUVersion(7, 2, 22), machineTypes: ["pc-q35-7.2"])
        #expect(old.name == "qemu-tcg-7.2")
        #expect(!old.hasX2APIC && !old.hasTSCDeadline && !old.hasKVMClock && !old.hasKVMHypercalls)
        let new = TargetProfile.tcg(version: QEMUVersion(10, 0, 2), machineTypes: [])
        #expect(new.hasX2APIC && !new.hasTSCDeadline && !new.hasKVMClock)
    }

    @Test func readsTheListOfMachines() {
        let help = """
            Supported machines are:
            microvm              microvm (i386)
            pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
            pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)
            none                 empty machine
            """
        #expect(TargetProfile.machineTypes(help: help) == ["microvm", "pc-i440fx-7.2", "none"])
    }
}
