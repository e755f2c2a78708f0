/// Flags that are not computed yet: some of those of one addition, subtraction or logical operation whose operands are still at hand.
struct FlagRecord {
    /// For a logical operation both operands name its result.
    var arithmetic: Arithmetic
    /// Bit i stands for slot 17 + i.
    var flags: UInt8
}

/// Bits of flag slots in a `FlagRecord`.
enum FlagBits {
    static let carry: UInt8 = 1 << 0
    static let parity: UInt8 = 1 << 1
    static let auxiliary: UInt8 = 1 << 2
    static let zero: UInt8 = 1 << 3
    static let sign: UInt8 = 1 << 4
    static let overflow: UInt8 = 1 << 6
    static let all = carry | parity | auxiliary | zero | sign | overflow
    /// Those that a logical operation does not clear.
    static let result = parity | zero | sign

    /// The bit of a slot; 0 for slots that hold none of the six flags.
    static func bit(_ slot: Int) -> UInt8 {
        slot >= 17 && slot <= 23 && slot != 22 ? 1 << UInt8(slot - 17) : 0
    }
}

/// What `SystemState.pendingFlags` says while translated code runs, as far as the translator knows.
enum PendingFlags {
    /// The flags of an earlier block may be pending, and this block has changed none.
    case inherited
    /// This block has replaced all six flags; the word may still be that of an earlier block.
    case stale
    /// It is 0.
    case clear
}

/// Flags to compute on a slow path.
struct FlagWriteBack {
    enum Place {
        case constant(UInt64)
        case register(HostRegister)
        case memory(HostAddress)
    }

    let kind: Arithmetic.Kind
    let width: UInt8
    let a: Place
    let b: Place
    let flags: UInt8
}
