import X86

/// Bytes of a saved-state image on their way to guest memory.
struct SavedPiece {
    var offset: UInt64
    var bytes: [UInt8]

    init(_ offset: UInt64, _ bytes: [UInt8]) {
        self.offset = offset
        self.bytes = bytes
    }

    /// Little-endian words of `count` bytes each.
    init(_ offset: UInt64, words: [UInt64], count: Int = 8) {
        self.offset = offset
        bytes = words.flatMap { word in (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) } }
    }
}

// The legacy region of FXSAVE and XSAVE (Intel SDM volume 1, 10.5), and access to images in guest memory
extension Machine {
    static let mxcsrMask: UInt64 = 0xFFFF

    // MARK: Pieces of the image

    /// x87 state at bytes 0-23 and 32-159. Without REX.W the pointers have 32 bits and selectors, which are 0 here.
    func x87Pieces(hasLongPointers: Bool) -> [SavedPiece] {
        let system = processor.system
        let pointerMask: UInt64 = hasLongPointers ? ~0 : 0xFFFF_FFFF
        let control =
            UInt64(system.pointee.controlWord) | UInt64(system.pointee.statusWord) << 16
            | UInt64(~system.pointee.emptyTags) << 32 | UInt64(system.pointee.lastOpcode) << 48
        let top = Int(system.pointee.statusWord >> 11) & 7
        let registers = (0..<8).flatMap { index -> [UInt64] in
            let register = system.pointee.floatRegisters[(top + index) & 7]
            return [register.significand, UInt64(register.signAndExponent)]
        }
        return [
            SavedPiece(
                0,
                words: [
                    control, system.pointee.lastInstruction & pointerMask, system.pointee.lastData & pointerMask,
                ]),
            SavedPiece(32, words: registers),
        ]
    }

    func mxcsrPiece() -> SavedPiece {
        SavedPiece(24, words: [UInt64(processor.system.pointee.mxcsr) | Self.mxcsrMask << 32])
    }

    func xmmPiece() -> SavedPiece {
        SavedPiece(160, words: (0..<16).flatMap { [processor[.xmm($0)], processor[.xmm($0).high]] })
    }

    // MARK: Restoring

    func restoreX87(_ image: [UInt8]?, hasLongPointers: Bool) {
        let system = processor.system
        guard let image, image.count >= 160 else {
            system.pointee.controlWord = 0x37F
            system.pointee.statusWord = 0
            system.pointee.emptyTags = 0xFF
            system.pointee.lastOpcode = 0
            system.pointee.lastInstruction = 0
            system.pointee.lastData = 0
            for index in 0..<8 { system.pointee.floatRegisters[index] = ExtendedFloat() }
            return
        }
        let pointerMask: UInt64 = hasLongPointers ? ~0 : 0xFFFF_FFFF
        system.pointee.controlWord = UInt16(truncatingIfNeeded: Self.word(image, 0))
        system.pointee.statusWord = UInt16(truncatingIfNeeded: Self.word(image, 0) >> 16)
        system.pointee.emptyTags = ~image[4]
        system.pointee.lastOpcode = UInt16(truncatingIfNeeded: Self.word(image, 0) >> 48)
        system.pointee.lastInstruction = Self.word(image, 8) & pointerMask
        system.pointee.lastData = Self.word(image, 16) & pointerMask
        let top = Int(system.pointee.statusWord >> 11) & 7
        for index in 0..<8 {
            system.pointee.floatRegisters[(top + index) & 7] = ExtendedFloat(
                significand: Self.word(image, 32 + index * 16),
                signAndExponent: UInt16(truncatingIfNeeded: Self.word(image, 40 + index * 16)))
        }
    }

    /// XMM registers from an image of at least 416 bytes; nil clears them.
    func restoreXMM(_ image: [UInt8]?) {
        for register in 0..<16 {
            processor[.xmm(register)] = image.map { Self.word($0, 160 + register * 16) } ?? 0
            processor[.xmm(register).high] = image.map { Self.word($0, 168 + register * 16) } ?? 0
        }
    }

    /// The MXCSR of an image; #GP when it has reserved bits.
    func savedMXCSR(_ image: [UInt8]) throws(AccessFailure) -> UInt32 {
        let value = UInt32(truncatingIfNeeded: Self.word(image, 24))
        guard value & ~UInt32(Self.mxcsrMask) == 0 else { throw .exception(.generalProtection) }
        return value
    }

    /// Eight bytes of an image; 0 beyond its end.
    static func word(_ image: [UInt8], _ offset: Int) -> UInt64 {
        guard offset >= 0, offset + 8 <= image.count else { return 0 }
        return (0..<8).reduce(0) { $0 | UInt64(image[offset + $1]) << UInt64($1 * 8) }
    }

    // MARK: FXSAVE, FXRSTOR

    func fxSave(at address: UInt64, hasLongPointers: Bool) throws(AccessFailure) {
        guard address & 15 == 0 else { throw .exception(.generalProtection) }
        try writePieces(address, x87Pieces(hasLongPointers: hasLongPointers) + [mxcsrPiece(), xmmPiece()])
    }

    func fxRestore(at address: UInt64, hasLongPointers: Bool) throws(AccessFailure) {
        guard address & 15 == 0 else { throw .exception(.generalProtection) }
        let image = try readGuest(address, count: 512)
        processor.system.pointee.mxcsr = try savedMXCSR(image)
        restoreX87(image, hasLongPointers: hasLongPointers)
        restoreXMM(image)
    }

    // MARK: Guest memory

    /// Reads an image piece by piece, so that every watched page is met.
    func readGuest(_ address: UInt64, count: Int) throws(AccessFailure) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            let part = min(16, count - result.count)
            let value = try load(address &+ UInt64(result.count), byteCount: part)
            for index in 0..<part {
                let word = index < 8 ? value.low : value.high
                result.append(UInt8(truncatingIfNeeded: word >> UInt64(index % 8 * 8)))
            }
        }
        return result
    }

    /// Bytes to guest memory: all or none.
    func writeGuest(_ address: UInt64, _ bytes: [UInt8]) throws(AccessFailure) {
        try writePieces(address, [SavedPiece(0, bytes)])
    }

    /// Writes pieces of an image: all or none. Every byte is looked at before the first one is written.
    func writePieces(_ address: UInt64, _ pieces: [SavedPiece]) throws(AccessFailure) {
        for isWriting in [false, true] {
            for piece in pieces {
                for start in stride(from: 0, to: piece.bytes.count, by: 16) {
                    let place = address &+ piece.offset &+ UInt64(start)
                    let part = Array(piece.bytes[start..<min(start + 16, piece.bytes.count)])
                    if isWriting {
                        let padded = part + Array(repeating: 0, count: 16 - part.count)
                        try store(
                            place, byteCount: part.count, low: Self.word(padded, 0), high: Self.word(padded, 8))
                    } else {
                        _ = try load(place, byteCount: part.count, forStore: true)
                    }
                }
            }
        }
    }
}
