/// Vector integer work that the machine does concretely: `detail` of `Helper.vectorInteger` is `operation | isWide << 8`.
///
/// Wide operations work on 256 bits, as two independent 128-bit lanes.
package enum VectorOperation: UInt8, Sendable, CaseIterable {
    // AES-NI: a is the state, b the round key
    case aesEncrypt
    case aesEncryptLast
    case aesDecrypt
    case aesDecryptLast
    /// AESIMC of b.
    case aesInverseMixColumns
    /// AESKEYGENASSIST of b; `argument` is the round constant.
    case aesKeyAssist
    /// PCLMULQDQ; `argument` chooses the halves.
    case carrylessMultiply
    // SHA-NI; `argument` of the rounds of SHA-1 is the function
    case sha1Rounds
    case sha1NextE
    case sha1Message1
    case sha1Message2
    /// Reads XMM0 as well.
    case sha256Rounds
    case sha256Message1
    case sha256Message2
    /// MPSADBW; `argument` has three bits for each lane.
    case multipleDifferences
    /// PHMINPOSUW of b.
    case minimumPosition
}

/// What PCMPESTRI and its family are: `detail` of `Helper.compareStrings`. `argument` is the immediate byte.
package struct StringComparison: Sendable, Hashable {
    /// Lengths from RAX and RDX (PCMPESTRx), else the strings end at a zero element (PCMPISTRx).
    package var hasExplicitLengths: Bool
    /// The result is a mask in XMM0 (PCMPxSTRM), else an index in RCX (PCMPxSTRI).
    package var returnsMask: Bool
    /// The lengths have 64 bits.
    package var hasLongLengths: Bool

    package init(hasExplicitLengths: Bool, returnsMask: Bool, hasLongLengths: Bool) {
        self.hasExplicitLengths = hasExplicitLengths
        self.returnsMask = returnsMask
        self.hasLongLengths = hasLongLengths
    }

    package init(detail: Int) {
        self.init(
            hasExplicitLengths: detail & 1 != 0, returnsMask: detail & 2 != 0, hasLongLengths: detail & 4 != 0)
    }

    package var detail: Int { (hasExplicitLengths ? 1 : 0) | (returnsMask ? 2 : 0) | (hasLongLengths ? 4 : 0) }
}

/// AVX2's gathers: `Helper.gather`. The destination slot is that of the register; a is the address without the index, b the segment
/// base that is added after the sum was cut to 32 bits (32-bit addressing only).
package struct GatherForm: Sendable, Hashable {
    /// 32 or 64 bits of an element and of an index.
    package var elementBits: Int
    package var indexBits: Int
    /// 256 bits of vector length.
    package var isWide: Bool
    package var hasShortAddresses: Bool
    /// Register numbers.
    package var index: Int
    package var mask: Int
    /// log2 of the scale.
    package var scaleShift: Int

    package init(
        elementBits: Int, indexBits: Int, isWide: Bool, hasShortAddresses: Bool, index: Int, mask: Int, scaleShift: Int
    ) {
        self.elementBits = elementBits
        self.indexBits = indexBits
        self.isWide = isWide
        self.hasShortAddresses = hasShortAddresses
        self.index = index
        self.mask = mask
        self.scaleShift = scaleShift
    }

    package init(detail: Int, argument: Int) {
        self.init(
            elementBits: detail & 1 != 0 ? 64 : 32, indexBits: detail & 2 != 0 ? 64 : 32, isWide: detail & 4 != 0,
            hasShortAddresses: detail & 8 != 0, index: argument & 15, mask: (argument >> 4) & 15,
            scaleShift: (argument >> 8) & 3)
    }

    package var detail: Int {
        (elementBits == 64 ? 1 : 0) | (indexBits == 64 ? 2 : 0) | (isWide ? 4 : 0) | (hasShortAddresses ? 8 : 0)
    }

    package var argument: Int { index | mask << 4 | scaleShift << 8 }

    /// How many elements are gathered.
    package var count: Int { (isWide ? 256 : 128) / max(elementBits, indexBits) }
}
