/// Counts what QEMU's log of interrupts (`log int`) says. The log comes in pieces; a line may be cut anywhere.
///
/// Two sorts of lines matter (QEMU: target/i386/tcg/seg_helper.c and sysemu/seg_helper.c):
///
///     Servicing hardware INT=0xec
///          3: v=06 e=0000 i=0 cpl=0 IP=0010:ffffffff81069f14 pc=... SP=...
///
/// The second stands for exceptions, interrupts and software interrupts (i=1) alike; a hardware interrupt has both lines.
package struct InterruptLog: Sendable {
    /// Places of invalid opcodes that are told apart; more only count.
    package static let placeLimit = 16
    /// The longest line that is looked at; QEMU writes some 120 bytes.
    private static let lineLimit = 1024

    package private(set) var interrupts: [Int: Int] = [:]
    package private(set) var exceptions: [Int: Int] = [:]
    package private(set) var invalidOpcodes: [GuestObservation.InvalidOpcode] = []
    /// A triple fault was noted.
    package private(set) var hasTripleFault = false
    private var rest: [UInt8] = []

    /// Nothing was logged yet.
    package init() {}

    /// Takes the next piece of the log.
    package mutating func feed(_ bytes: [UInt8]) {
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: 0x0a) {
            rest += bytes[start..<end].prefix(Self.lineLimit)
            take(String(decoding: rest.prefix(Self.lineLimit), as: UTF8.self))
            rest.removeAll(keepingCapacity: true)
            start = end + 1
        }
        rest += bytes[start...].prefix(Self.lineLimit - min(rest.count, Self.lineLimit))
    }

    private mutating func take(_ line: String) {
        if let mark = line.firstRange(of: "hardware INT=0x") {
            guard let vector = Int(line[mark.upperBound...].prefix(2), radix: 16) else { return }
            interrupts[vector, default: 0] += 1
        } else if line.contains(": v=") {
            takeEvent(line)
        } else if line.hasPrefix("Triple fault") {
            hasTripleFault = true
        }
    }

    private mutating func takeEvent(_ line: String) {
        var vector: Int?
        var isSoftware = false
        var isUser = false
        var address: UInt64?
        for word in line.split(separator: " ") {
            guard let equals = word.firstIndex(of: "=") else { continue }
            let value = word[word.index(after: equals)...]
            switch word[..<equals] {
            case "v": vector = Int(value, radix: 16)
            case "i": isSoftware = value == "1"
            case "cpl": isUser = value == "3"
            case "IP": address = value.split(separator: ":").last.flatMap { UInt64($0, radix: 16) }
            default: break
            }
        }
        // Vectors from 32 on are interrupts, which have a line of their own.
        guard let vector, vector < 32, !isSoftware else { return }
        exceptions[vector, default: 0] += 1
        guard vector == 6, let address else { return }
        if let place = invalidOpcodes.firstIndex(where: { $0.address == address && $0.isUser == isUser }) {
            invalidOpcodes[place].count += 1
        } else if invalidOpcodes.count < Self.placeLimit {
            invalidOpcodes.append(.init(address: address, isUser: isUser, count: 1, bytes: []))
        }
    }
}
