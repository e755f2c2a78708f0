/// A value of a block as far as the translator knows it: a constant, or what a slot held between two of its definitions.
struct KnownValue: Equatable {
    var isConstant: Bool
    /// The constant, or slot number << 32 | version.
    var bits: UInt64

    static func constant(_ value: UInt64) -> KnownValue { KnownValue(isConstant: true, bits: value) }
    static let zero = KnownValue.constant(0)

    /// Number of the slot, for values that are not constant.
    var slot: Int { Int(bits >> 32) }

    /// A constant without the bits outside of `mask`; other values as they are.
    func cut(to mask: UInt64) -> KnownValue { isConstant ? .constant(bits & mask) : self }
}

/// The arithmetic whose flags EFLAGS or a result can give.
struct Arithmetic: Equatable {
    enum Kind {
        case none
        case add
        case subtract
        /// CF = OF = 0; AF is undefined.
        case logic
    }

    var kind = Kind.none
    var width: UInt8 = 0
    var a = KnownValue.zero
    var b = KnownValue.zero
    /// The result, when it has a name.
    var result: KnownValue?

    static let none = Arithmetic()

    /// Same flags, the name of the result aside.
    func hasFlags(of other: Arithmetic) -> Bool {
        kind == other.kind && kind != .none && width == other.width && a == other.a && b == other.b
    }
}

/// Where a slot's present value is.
struct SlotState {
    static let noRegister: UInt8 = 0xFF

    /// Number of the host register, or `noRegister`.
    var register = SlotState.noRegister
    /// The slot file has the value.
    var isInMemory = true
    var isConstant = false
    /// Changes with each definition.
    var version: UInt32 = 0
    /// Operands of later operations that name the slot.
    var usesLeft: Int32 = 0
    var constant: UInt64 = 0
    /// The value is at most this.
    var bound = UInt64.max
    /// What computed the value, for additions and subtractions.
    var origin = Arithmetic.none
}

/// One guest-visible slot that must be written to the slot file before the state is looked at.
struct WriteBack {
    let slot: UInt16
    /// `SlotState.noRegister` for a constant.
    let register: UInt8
    let constant: UInt64
}

/// Code off the hot path, emitted behind the block.
struct Stub {
    enum Kind {
        /// A TLB miss: the address is `register` + `displacement`.
        case load(register: HostRegister, displacement: Int32, first: HostRegister, second: HostRegister?, info: UInt32)
        case store(
            register: HostRegister, displacement: Int32, first: StoreSource, second: StoreSource?, info: UInt32)
        /// A branch that is taken: to a guest address.
        case exit(target: UInt64)
        /// The next round of a loop; its moves begin at `moves`.
        case loop(moves: Int)
        /// The host's division would fault or the operation is rare: `executeSeldom`, then `result` from the slot file.
        case seldom(operation: Int, result: HostRegister, slot: Int)
        /// The jump cache does not name the target of the guard at `place`.
        case miss(target: UInt64, place: Int)
        /// `stop` is reached before the block, or the target of an indirect jump, already in its slot, is not in the jump cache.
        case begin
        case lookup
        /// The flags of an earlier block are pending.
        case settle
        /// MXCSR is not the guest's yet.
        case loadFloat
        case divideError(operation: Int)
        /// An address that is not aligned.
        case unaligned(operation: Int)
    }

    let kind: Kind
    /// Distance field of the jump that leads here.
    let from: Int
    /// Where the block goes on.
    let back: Int
    let firstWriteBack: Int
    let writeBackCount: Int
    let firstFlag: Int
    let flagCount: Int
    /// What earlier blocks left pending is replaced.
    let clearsPending: Bool
}

/// What a store writes.
enum StoreSource {
    case register(HostRegister)
    case constant(UInt64)
}
