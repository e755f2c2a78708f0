import Machine

/// How a path ended.
package enum PathEnd: Sendable, Equatable {
    /// The guest called `stemma_end_path`.
    case finished(status: UInt64, message: String)
    /// No input of the path satisfies a `stemma_assume`.
    case assumptionFailed
    /// HLT, and interrupts are held off.
    case halted
    case tripleFault
    /// The guest asked for power-off or reset.
    case shutdown(String)
    /// An instruction that the engine does not support.
    case unsupported(address: UInt64, bytes: [UInt8])
    /// A mode or a system function that the engine does not support.
    case unsupportedMode(address: UInt64, reason: String)
    /// Physical memory without RAM or a device.
    case unmapped(address: UInt64)
    /// Stopped before its end: a limit, or the run was cancelled. The inputs reach the place where it stopped.
    case unfinished(UnfinishedReason)
    /// The base snapshot could not be read.
    case memoryFailure(String)

    /// The word for the kind of end in reports.
    package var kind: String {
        switch self {
        case .finished: "finished"
        case .assumptionFailed: "assumption-failed"
        case .halted: "halted"
        case .tripleFault: "triple-fault"
        case .shutdown: "shutdown"
        case .unsupported: "unsupported-instruction"
        case .unsupportedMode: "unsupported-mode"
        case .unmapped: "unmapped-memory"
        case .unfinished: "unfinished"
        case .memoryFailure: "memory-failure"
        }
    }

    /// Whether the guest itself came to an end.
    package var isComplete: Bool {
        switch self {
        case .finished, .assumptionFailed, .halted, .tripleFault, .shutdown: true
        default: false
        }
    }
}

/// Why a path stopped before its end.
package enum UnfinishedReason: String, Sendable, Codable {
    case cancelled
    case timeLimit = "time-limit"
    case pathLimit = "path-limit"
    case stateLimit = "state-limit"
    case instructionLimit = "instruction-limit"
}

extension PathEnd: CustomStringConvertible {
    package var description: String {
        switch self {
        case .finished(let status, let message):
            message.isEmpty ? "finished with status \(status)" : "finished with status \(status): \(message)"
        case .assumptionFailed: "no input satisfies an assumption"
        case .halted: "halted"
        case .tripleFault: "triple fault"
        case .shutdown(let reason): "shut down: \(reason)"
        case .unsupported(let address, let bytes):
            "unsupported instruction \(hexText(bytes)) at 0x\(String(address, radix: 16))"
        case .unsupportedMode(let address, let reason): "at 0x\(String(address, radix: 16)): \(reason)"
        case .unmapped(let address): "no memory at physical address 0x\(String(address, radix: 16))"
        case .unfinished(let reason): "unfinished (\(reason.rawValue))"
        case .memoryFailure(let text): text
        }
    }
}

/// Bytes as two hexadecimal digits each.
func hexText(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
