import CPUModel
import Conversion
import VMState

/// The description at the end of a stream, as text. `Tests/fuzz` adds those of QEMU.
enum DescriptionTarget: FuzzTarget {
    static let name = "vmdesc"

    static func seeds() throws -> [[UInt8]] {
        [
            Array(
                #"""
                {"page_size": 4096, "devices": [{"name": "cpu", "instance_id": 0, "vmsd_name": "cpu", "version": 12,
                "fields": [{"name": "env.regs", "array_len": 16, "type": "uint64", "size": 8},
                {"name": "s", "type": "struct", "struct": {"vmsd_name": "x", "version": 1, "fields": []}, "size": 0}],
                "subsections": [{"vmsd_name": "cpu/xss", "version": 1,
                "fields": [{"name": "env.xss", "type": "uint64", "size": 8}]}]}]}
                """#.utf8),
            Array(#"{"devices": [{"name": "\u0041", "instance_id": -1, "fields": []}]}"#.utf8),
        ]
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        guard let description = try? VMDescription(text: Array(bytes)) else { return }
        for device in description.devices {
            if device.size < 0 || device.size > 1 << 31 { finding("a section of a size that was to be refused") }
        }
        guard let again = try? VMDescription(text: description.text), again == description else {
            finding("a description that was read cannot be read again")
        }
    }
}

/// A policy, as YAML.
enum PolicyTarget: FuzzTarget {
    static let name = "policy"

    static func seeds() throws -> [[UInt8]] {
        BuiltInPolicies.names.compactMap { BuiltInPolicies.text($0).map { Array($0.utf8) } }
    }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        do {
            let policy = try ConversionPolicy(yaml: String(decoding: bytes, as: UTF8.self), name: "policy.yaml")
            for check in policy.rules.keys where SnapshotChecks.check(check) == nil {
                finding("a policy with a check that does not exist")
            }
        } catch {
            if error.place?.hasPrefix("policy.yaml") != true { finding("an error of a policy without its place") }
        }
    }
}

/// All checks, on the sections of a stream; and the conversion, which must not leave anything that can be fixed. `Tests/fuzz` adds
/// streams of QEMU, without their RAM.
enum CheckTarget: FuzzTarget {
    static let name = "checks"
    private static let target = TargetProfile.tcg(
        version: QEMUVersion(7, 2), machineTypes: ["pc-i440fx-7.2", "pc-q35-7.2"])

    static func seeds() throws -> [[UInt8]] { [Array("QEVM\0\0\0\u{3}".utf8)] }

    static func run(_ bytes: UnsafeRawBufferPointer) {
        var sink = DiscardingPageSink()
        guard let stream = try? MigrationStreamReader(ArrayByteSource(Array(bytes))).read(pages: &sink) else { return }
        for target in [target, TargetProfile.kvm(target)] {
            for origin in [SnapshotOrigin.kvm, .tcg] {
                guard let context = try? CheckContext(stream: stream, target: target, origin: origin) else { continue }
                do {
                    _ = try SnapshotConverter().convert(context, policy: .standard)
                } catch {
                    if error.code == .incomplete { finding("\(error)") }
                }
            }
        }
    }
}
