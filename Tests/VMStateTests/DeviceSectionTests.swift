import Foundation
import Testing
import VMState

/// Fields by the names of the description.
@Suite struct DeviceSectionTests {
    @Test func readsFieldsOfAllShapes() throws {
        let (stream, _) = try FixtureCase.pcTwoCPUs.fixture().parsed()
        let apic = try #require(stream.device("apic"))
        #expect(try apic.unsigned("apicbase") & 0xffff_f000 == 0xfee0_0000)
        #expect(try apic.unsignedArray("isr").count == 8)
        #expect(try apic.unsigned("lvt[3]") == apic.unsignedArray("lvt")[3])
        #expect(try apic.signed("timer_expiry") >= -1)
        #expect(apic.contains("lvt[5]"))
        #expect(!apic.contains("lvt[6]"))
        #expect(!apic.contains("lvt[05"))
        #expect(!apic.contains("apicbase[0]"))

        let bridge = try #require(stream.devices(ofModel: "I440FX").first)
        let config = try bridge.bytes("parent_obj.config[0]")
        #expect(config.prefix(4) == [0x86, 0x80, 0x37, 0x12])

        let cpu = try #require(stream.device("cpu", 1))
        let place = try #require(try cpu.place("env.xmm_regs[1][3]._q_ZMMReg[2]"))
        #expect(place.range == 0x619 + 48..<0x619 + 56)
        #expect(try cpu.place("env.segs[2].base")?.range == 0xec + 44..<0xec + 52)
        #expect(
            try cpu.place("env.fpregs[7].tmp.tmp_exp")?.range.count ?? cpu.place("env.fpregs[7].tmp_exp")?.range.count
                == 2)

        // An array whose elements have an entry each.
        let power = try #require(stream.devices(ofModel: "piix4_pm").first)
        #expect(power.contains("acpi_pci_hotplug.acpi_pcihp_pci_status[3].up"))
        #expect(!power.contains("acpi_pci_hotplug.acpi_pcihp_pci_status[9999].up"))
    }

    @Test func theLeavesCoverEverySectionWithoutGaps() throws {
        for kind in [FixtureCase.pcTwoCPUs, .q35FourCPUs, .pcSavevm] {
            for device in try kind.fixture().parsed().stream.devices {
                var end = 0
                for (path, place) in try #require(device.fields()) {
                    // Between fields there are only the headers of subsections.
                    #expect(place.range.lowerBound >= end, "\(device.name) \(path)")
                    end = place.range.upperBound
                    // The one known path with two meanings: the field of that name wins.
                    if device.idstr == "i8254", path == "channels[0].next_transition_time" { continue }
                    #expect(try device.place(path)?.range == place.range, "\(device.name) \(path)")
                }
                #expect(end == device.payload.count)
            }
        }
    }

    @Test func editsIntegersAndBuffers() throws {
        var (stream, _) = try FixtureCase.pc.fixture().parsed()
        try stream.edit("timer") { section throws(VMStateError) in
            try section.set("cpu_ticks_offset", toSigned: -5)
        }
        #expect(try stream.device("timer")?.signed("cpu_ticks_offset") == -5)
        #expect(try stream.device("timer")?.unsigned("cpu_ticks_offset") == UInt64(bitPattern: -5))
        #expect(try stream.device("timer")?.bytes("cpu_ticks_offset") == [255, 255, 255, 255, 255, 255, 255, 251])
        var apic = try #require(stream.device("apic"))
        let before = apic.payload
        try apic.set("lvt[0]", to: 0x40020)
        try apic.set("tpr", to: 0xff)
        #expect(apic.payload.count == before.count)
        #expect(zip(apic.payload, before).filter { $0 != $1 }.count <= 5)
        #expect(throws: VMStateError.self) { try apic.set("tpr", to: 0x100) }
        #expect(throws: VMStateError.self) { try apic.set("tpr", toSigned: -129) }
        #expect(throws: VMStateError.self) { try apic.set("isr", to: 0) }
        #expect(throws: VMStateError.self) { try apic.set("isr", toBytes: [1]) }
        let error = #expect(throws: VMStateError.self) { try apic.unsigned("nonsense") }
        #expect(error?.code == .notFound)
        #expect(error?.description.contains("apic#0") == true)
        #expect(error?.description.contains("nonsense") == true)
        #expect(throws: VMStateError.self) { try stream.edit("nobody") { _ in } }
    }

    @Test func removesAndInsertsSectionsWithTheirDescription() throws {
        let (original, _) = try FixtureCase.pc.fixture().parsed()
        for victim in [original.devices.first, original.device("hpet"), original.devices.last] {
            let victim = try #require(victim)
            var stream = original
            try stream.remove(victim.idstr, victim.instanceID)
            #expect(stream.devices.count == original.devices.count - 1)
            let text = try #require(stream.description?.text)
            let root = try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
            let list = try #require(root["devices"] as? [[String: Any]])
            #expect(list.map { $0["name"] as? String } == stream.devices.map(\.idstr))
            // What is left stands there as before.
            let before = String(decoding: try #require(original.description).text, as: UTF8.self)
            let entry = try #require(original.description?.device(victim.idstr, victim.instanceID))
            #expect(before.utf8.count - text.count > entry.size / 1000)
            #expect(try MigrationStream(skeleton: stream.skeleton()) == stream)
            #expect(throws: VMStateError.self) { try stream.remove(victim.idstr, victim.instanceID) }
        }
        var stream = original
        for device in original.devices { try stream.remove(device.idstr, device.instanceID) }
        #expect(String(decoding: try #require(stream.description).text, as: UTF8.self).contains("\"devices\": []"))
        #expect(try MigrationStream(skeleton: stream.skeleton()) == stream)
    }

    @Test func insertsASectionWithItsDescription() throws {
        let (original, _) = try FixtureCase.pc.fixture().parsed()
        let entry =
            #"{"name": "kvmclock", "instance_id": 0, "vmsd_name": "kvmclock", "version": 1, "#
            + #""fields": [{"name": "clock", "type": "uint64", "size": 8}]}"#
        for position in [0, 3, original.devices.count, 1000] {
            var stream = original
            try stream.insert(
                idstr: "kvmclock", versionID: 1, payload: [0, 0, 0, 0, 0, 0, 0, 9], description: entry, at: position)
            #expect(stream.devices[min(position, original.devices.count)].idstr == "kvmclock")
            #expect(try stream.device("kvmclock")?.unsigned("clock") == 9)
            let again = try MigrationStream(skeleton: stream.skeleton())
            #expect(again == stream)
            #expect(again.description?.devices.map(\.name) == again.devices.map(\.idstr))
            #expect(throws: VMStateError.self) {
                try stream.insert(idstr: "kvmclock", versionID: 1, payload: [], description: entry, at: 0)
            }
            try stream.remove("kvmclock")
            #expect(stream == original)
        }
        var stream = original
        #expect(throws: VMStateError.self) {
            try stream.insert(idstr: "kvmclock", versionID: 1, payload: [1], description: entry, at: 0)
        }
    }
}
