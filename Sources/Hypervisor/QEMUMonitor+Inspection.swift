extension QEMUMonitor {
    /// What QEMU does when the guest wants to reboot or to be switched off (QEMU, qapi/run-state.json: set-action).
    func setActions(pausesAtEnd: Bool) async throws {
        _ = try await client.execute(
            "set-action",
            arguments: [
                "reboot": .string(pausesAtEnd ? "shutdown" : "reset"),
                "shutdown": .string(pausesAtEnd ? "pause" : "poweroff"),
            ], returning: JSONValue.self)
    }

    /// Resets the machine, as its reset button does.
    func systemReset() async throws { try await client.execute("system_reset") }

    /// Logs interrupts, exceptions and resets into a file.
    ///
    /// - Throws: ``HypervisorError`` with `.invalidConfiguration` when QEMU cannot write there.
    func logInterrupts(to path: String) async throws {
        let quoted = path.split(separator: "\\", omittingEmptySubsequences: false).joined(separator: "\\\\")
            .split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"")
        for command in ["logfile \"\(quoted)\"", "log int,cpu_reset"] {
            let answer = try await humanCommand(command)
            guard answer.allSatisfy(\.isWhitespace) else {
                throw HypervisorError(
                    .invalidConfiguration, "QEMU cannot log interrupts into \(path).", cause: answer)
            }
        }
    }

    /// Ends every log.
    func stopLogging() async throws { _ = try await humanCommand("log none") }

    /// All CPUs: what is shown of them, and the text itself, which differs when the CPU moved.
    func processors() async throws -> [(view: ProcessorView, text: String)] {
        ProcessorView.parts(try await humanCommand("info registers -a"))
            .compactMap { part in ProcessorView(text: part).map { ($0, String(part)) } }
    }

    /// The local APIC with this id; nil when there is none.
    func localAPIC(_ id: Int) async throws -> LocalAPICView? {
        LocalAPICView(text: try await humanCommand("info lapic \(id)"))
    }

    /// Up to 16 bytes at a guest-virtual address, as CPU 0 sees them; empty where nothing is mapped.
    func bytes(at address: UInt64, count: Int) async throws -> [UInt8] {
        let text = try await humanCommand("x /\(min(count, 16))xb 0x\(String(address, radix: 16))")
        // "ffffffff81069f14: 0x0f 0x01 0xd9 0x48"
        return text.split(whereSeparator: \.isWhitespace).compactMap {
            $0.hasPrefix("0x") && $0.count == 4 ? UInt8($0.dropFirst(2), radix: 16) : nil
        }
    }

    /// Eight bytes at a guest-physical address, as a little-endian number; nil where there is no memory.
    func quadword(atPhysical address: UInt64) async throws -> UInt64? {
        let text = try await humanCommand("xp /1xg 0x\(String(address, radix: 16))")
        guard let colon = text.firstRange(of: ": 0x") else { return nil }
        return UInt64(text[colon.upperBound...].prefix { $0.isHexDigit }, radix: 16)
    }
}
