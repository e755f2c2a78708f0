import CPUModel
import Foundation

/// Texts that real programs printed: of a Sapphire Rapids host with Linux and libvirt 9.0, and of QEMU 7.2 and 10.0.
enum Samples {
    static func text(_ name: String) throws -> String {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Samples/\(name)")
        return try String(contentsOf: file, encoding: .utf8)
    }

    static func fingerprint(_ name: String, model: String? = nil) throws -> CPUFingerprint {
        try FingerprintText(try text(name), name: name, model: model).fingerprint { name throws(CPUModelError) in
            try LibvirtCPUMap().fingerprint(of: name)
        }
    }
}
