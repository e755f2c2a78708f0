import Expressions
import Machine
import X86

/// A symbolic input of a path.
package struct SymbolicInput: Sendable {
    /// Virtual address of the buffer when it was made symbolic.
    package let address: UInt64
    package let buffer: SymbolBuffer
}

/// A place where a symbolic value was made concrete because the engine has no symbolic form of what follows.
package struct Concretisation: Sendable, Equatable {
    /// Virtual address of the instruction.
    package let address: UInt64
    /// What was made concrete, e.g. "RDI, an argument of a hypercall".
    package let what: String
    package let value: UInt64
    /// False when other values would have been possible and are not explored.
    package let isOnlyValue: Bool
}

/// One state of the exploration: a machine, what in it is symbolic, and what the path knows of its inputs.
///
/// `fork` shares everything until it is written: the machine's memory, the symbolic pages, the path's lists.
package final class ExecutionState {
    /// Number of the path; the first is 0.
    package let id: Int
    package let parent: Int?
    package let machine: Machine
    package internal(set) var path: PathConstraints
    package internal(set) var inputs: [SymbolicInput] = []
    /// What the guest printed by `stemma_print`.
    package internal(set) var log: [String] = []
    package internal(set) var concretisations: [Concretisation] = []
    /// Answers to `stemma_path_id`: the number of the path at that time, which may be an ancestor's.
    package internal(set) var pathNumbers: [Int] = []
    /// How many symbolic branches with two feasible directions the path passed.
    package internal(set) var branchCount = 0
    /// The last entry of the path's list of branches in its executor.
    var lastBranch: UInt32 = 0
    var memory = SymbolicMemory()
    /// How often a symbolic address was split into windows at one instruction since another one did.
    var addressSplits: (address: UInt64, count: Int) = (0, 0)
    /// Instructions that the symbolic interpreter executed.
    var symbolicInstructions: UInt64 = 0

    /// The term of each slot (zero-extended to 64 bits); handle 0 where the machine's slot holds the value.
    let terms: UnsafeMutablePointer<UInt32>
    /// Which guest-visible slots have a term.
    private(set) var symbolicSlots = SIMD2<UInt64>(0, 0)

    init(id: Int, machine: Machine, path: PathConstraints) {
        self.id = id
        parent = nil
        self.machine = machine
        self.path = path
        terms = .allocate(capacity: Slot.count)
        terms.initialize(repeating: 0, count: Slot.count)
    }

    private init(id: Int, forking original: ExecutionState) {
        self.id = id
        parent = original.id
        machine = original.machine.fork()
        path = original.path
        inputs = original.inputs
        log = original.log
        pathNumbers = original.pathNumbers
        concretisations = original.concretisations
        branchCount = original.branchCount
        lastBranch = original.lastBranch
        memory = original.memory
        addressSplits = original.addressSplits
        symbolicInstructions = original.symbolicInstructions
        symbolicSlots = original.symbolicSlots
        terms = .allocate(capacity: Slot.count)
        terms.initialize(from: original.terms, count: Slot.guestCount)
        (terms + Slot.guestCount).initialize(repeating: 0, count: Slot.count - Slot.guestCount)
    }

    deinit { terms.deallocate() }

    /// A second state with the same content; temporaries of the block being executed are not carried over.
    func fork(id: Int) -> ExecutionState { ExecutionState(id: id, forking: self) }

    /// Whether a guest-visible slot is symbolic.
    var hasSymbolicSlots: Bool { symbolicSlots != SIMD2(0, 0) }

    /// Instructions that the path executed.
    package var instructions: UInt64 { machine.retiredInstructions }

    /// The instruction pointer.
    package var instructionPointer: UInt64 { machine.slots[Int(Slot.rip.rawValue)] }

    @inline(__always)
    package func term(_ slot: Slot) -> Term { Term(handle: terms[Int(slot.rawValue)]) }

    /// Gives a slot a term, or with `none` the machine's value.
    @inline(__always)
    package func setTerm(_ slot: Slot, _ term: Term) {
        let index = Int(slot.rawValue)
        terms[index] = term.handle
        if index < 64 {
            let bit = UInt64(1) << UInt64(index)
            if term.isNone { symbolicSlots.x &= ~bit } else { symbolicSlots.x |= bit }
        } else if index < 128 {
            let bit = UInt64(1) << UInt64(index - 64)
            if term.isNone { symbolicSlots.y &= ~bit } else { symbolicSlots.y |= bit }
        }
    }

    /// The guest-visible slots that have a term.
    var slotsWithTerms: [Slot] {
        (0..<UInt16(Slot.guestCount)).filter { terms[Int($0)] != 0 }.map { Slot($0) }
    }
}
