import PCDevices
import Testing
import VMState

/// 8042 with PS/2 devices (IBM PS/2 Hardware Technical Reference).
@Suite struct KeyboardControllerTests {
    private static func command(_ controller: inout KeyboardController, _ byte: UInt64) {
        controller.write(4, byteCount: 1, value: byte)
    }

    private static func data(_ controller: inout KeyboardController, _ byte: UInt64) {
        controller.write(0, byteCount: 1, value: byte)
    }

    /// All bytes that wait, with bit 8 for those of the mouse.
    private static func answers(_ controller: inout KeyboardController) -> [UInt64] {
        var list: [UInt64] = []
        while list.count < 100 {
            let status = controller.read(4, byteCount: 1)
            guard status & 1 != 0 else { break }
            list.append(controller.read(0, byteCount: 1) | (status & 0x20) << 3)
        }
        return list
    }

    @Test(
        arguments: [(0xAA, 0x55), (0xAB, 0x00), (0xA9, 0x00), (0x20, 0x03), (0xC0, 0x80), (0xD0, 0xCF)]
            as [(UInt64, UInt64)])
    func controllerCommands(command: UInt64, answer: UInt64) {
        var controller = KeyboardController()
        Self.command(&controller, command)
        #expect(Self.answers(&controller) == [answer])
    }

    @Test func statusTellsCommandsFromData() {
        var controller = KeyboardController()
        Self.command(&controller, 0xAA)
        #expect(controller.read(4, byteCount: 1) & 0x0D == 0x0D)
        _ = Self.answers(&controller)
        Self.data(&controller, 0xEE)
        #expect(controller.read(4, byteCount: 1) & 0x08 == 0)
    }

    @Test func theCommandByteEnablesInterrupts() {
        var controller = KeyboardController()
        Self.command(&controller, 0x60)
        Self.data(&controller, 0x00)
        Self.data(&controller, 0xEE)
        #expect(!controller.keyboardInterruptLine)
        Self.command(&controller, 0x60)
        Self.data(&controller, 0x03)
        #expect(controller.keyboardInterruptLine && !controller.mouseInterruptLine)
        #expect(Self.answers(&controller) == [0xEE])
        #expect(!controller.keyboardInterruptLine)
        Self.command(&controller, 0xD4)
        Self.data(&controller, 0xF4)
        #expect(controller.mouseInterruptLine && !controller.keyboardInterruptLine)
        #expect(Self.answers(&controller) == [0x1FA])
    }

    @Test func theKeyboardIdentifiesAndResets() {
        var controller = KeyboardController()
        Self.data(&controller, 0xF2)
        #expect(Self.answers(&controller) == [0xFA, 0xAB, 0x83])
        Self.command(&controller, 0x60)
        Self.data(&controller, 0x43)
        Self.data(&controller, 0xF2)
        #expect(Self.answers(&controller) == [0xFA, 0xAB, 0x41])
        Self.data(&controller, 0xFF)
        #expect(Self.answers(&controller) == [0xFA, 0xAA])
        for bytes in [[0xED, 0x07], [0xF3, 0x20], [0xF0, 0x01], [0xF4], [0xF5]] as [[UInt64]] {
            for byte in bytes {
                Self.data(&controller, byte)
                #expect(Self.answers(&controller) == [0xFA])
            }
        }
    }

    @Test func theMouseIdentifiesAndResets() {
        var controller = KeyboardController()
        func mouse(_ byte: UInt64) -> [UInt64] {
            Self.command(&controller, 0xD4)
            Self.data(&controller, byte)
            return Self.answers(&controller)
        }
        #expect(mouse(0xFF) == [0x1FA, 0x1AA, 0x100])
        #expect(mouse(0xF2) == [0x1FA, 0x100])
        #expect(mouse(0xE9) == [0x1FA, 0x100, 0x102, 0x164])
        // The wheel: sample rates 200, 100, 80.
        for rate in [200, 100, 80] as [UInt64] { #expect(mouse(0xF3) + mouse(rate) == [0x1FA, 0x1FA]) }
        #expect(mouse(0xF2) == [0x1FA, 0x103])
        for rate in [200, 200, 80] as [UInt64] { #expect(mouse(0xF3) + mouse(rate) == [0x1FA, 0x1FA]) }
        #expect(mouse(0xF2) == [0x1FA, 0x104])
        #expect(mouse(0xEB) == [0x1FA, 0x108, 0x100, 0x100, 0x100])
        #expect(mouse(0xEE) + mouse(0x42) + mouse(0xEC) == [0x1FA, 0x142, 0x1FA])
        #expect(mouse(0xE1) == [0x1FE])
    }

    @Test func theOutputBufferCanBeWritten() {
        var controller = KeyboardController()
        Self.command(&controller, 0xD2)
        Self.data(&controller, 0x12)
        #expect(controller.keyboardInterruptLine)
        #expect(Self.answers(&controller) == [0x12])
        Self.command(&controller, 0xD3)
        Self.data(&controller, 0x34)
        #expect(controller.mouseInterruptLine)
        #expect(Self.answers(&controller) == [0x134])
        // Without a new byte the last one stays.
        #expect(controller.read(0, byteCount: 1) == 0x34)
    }

    @Test func aDisabledInterfaceKeepsItsBytes() {
        var controller = KeyboardController()
        Self.command(&controller, 0xD4)
        Self.data(&controller, 0xF2)
        #expect(controller.read(0, byteCount: 1) == 0xFA)
        _ = Self.answers(&controller)
        Self.command(&controller, 0xA7)
        Self.command(&controller, 0x20)
        #expect(Self.answers(&controller) == [0x23])
        Self.command(&controller, 0xA8)
        Self.command(&controller, 0x20)
        #expect(Self.answers(&controller) == [0x03])
    }

    @Test func a20AndReset() {
        var controller = KeyboardController()
        #expect(controller.isA20Enabled)
        Self.command(&controller, 0xDD)
        #expect(!controller.isA20Enabled)
        Self.command(&controller, 0xDF)
        #expect(controller.isA20Enabled)
        Self.command(&controller, 0xD1)
        Self.data(&controller, 0xCD)
        #expect(!controller.isA20Enabled)
        #expect(controller.takeResetRequest() == false)
        Self.command(&controller, 0xD1)
        Self.data(&controller, 0xCE)
        #expect(controller.takeResetRequest() == true)
        #expect(controller.takeResetRequest() == false)
        Self.command(&controller, 0xFF)
        #expect(controller.takeResetRequest() == false)
        Self.command(&controller, 0xFE)
        #expect(controller.takeResetRequest() == true)
    }
}

/// Sections in the layout of QEMU 7.2.
extension KeyboardControllerTests {
    private static func sections(
        status: UInt8 = 0x1C, pending: UInt8 = 0, keys: [UInt8] = [], count: Int32? = nil
    ) -> [DeviceSection] {
        var controller = FieldList()
        controller.add("kbd.write_cmd", UInt8(0))
        controller.add("kbd.status", status)
        controller.add("kbd.mode", UInt8(0x43))
        controller.add("kbd.pending_tmp", pending)
        controller.add("kbd.pckbd/extended_state.migration_flags", UInt32(0))
        controller.add("kbd.pckbd/extended_state.obsrc", status & 1 != 0 ? UInt32(1) : 2)
        controller.add("kbd.pckbd/extended_state.obdata", UInt8(0))
        controller.add("kbd.pckbd/extended_state.cbdata", UInt8(0xA4))
        var common = FieldList()
        common.add("parent_obj.write_cmd", Int32(-1))
        common.add("parent_obj.queue.rptr", Int32(9))
        common.add("parent_obj.queue.wptr", Int32(9 + keys.count))
        common.add("parent_obj.queue.count", count ?? Int32(keys.count))
        common.add(
            "parent_obj.queue.data",
            bytes: [UInt8](repeating: 0x55, count: 9) + keys + [UInt8](repeating: 0x55, count: 247 - keys.count))
        var keyboard = common
        keyboard.add("scan_enabled", Int32(1))
        keyboard.add("translate", Int32(1))
        keyboard.add("scancode_set", Int32(2))
        var mouse = common
        for (name, value) in [
            ("mouse_status", 0x20), ("mouse_resolution", 3), ("mouse_sample_rate", 100), ("mouse_wrap", 0),
            ("mouse_type", 4), ("mouse_detect_state", 0),
        ] as [(String, UInt8)] { mouse.add(name, value) }
        return [
            controller.section("pckbd"), keyboard.section("ps2kbd"), mouse.section("ps2mouse", version: 2),
        ]
    }

    @Test func sectionsComeOutUnchanged() throws {
        for sections in [Self.sections(), Self.sections(status: 0x1D, pending: 0x30, keys: [0x1E, 0x9E])] {
            let controller = try KeyboardController(sections[0], keyboard: sections[1], mouse: sections[2])
            var saved = sections
            try controller.save(to: &saved[0])
            try controller.save(toKeyboard: &saved[1])
            try controller.save(toMouse: &saved[2])
            #expect(saved == sections)
            #expect(try KeyboardController(saved[0], keyboard: saved[1], mouse: saved[2]) == controller)
        }
    }

    @Test func keysFromTheSnapshotArrive() throws {
        let sections = Self.sections(status: 0x1D, pending: 0x10, keys: [0x1E, 0x9E])
        var controller = try KeyboardController(sections[0], keyboard: sections[1], mouse: Self.sections()[2])
        #expect(controller.keyboardInterruptLine)
        #expect(Self.answers(&controller) == [0x1E, 0x9E])
        var saved = sections[1]
        try controller.save(toKeyboard: &saved)
        #expect(try saved.unsigned("parent_obj.queue.count") == 0)
    }

    @Test func damagedQueuesAreRefused() throws {
        let good = Self.sections()
        for count in [-1, 17, .max] as [Int32] {
            let bad = Self.sections(count: count)
            #expect(throws: DeviceError.self) { try KeyboardController(good[0], keyboard: bad[1], mouse: good[2]) }
        }
    }
}
