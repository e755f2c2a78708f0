import Expressions
import Machine
import X86

/// Helpers and exceptions: what the machine does concretely, with exact treatment of the flags that pass through.
extension SymbolicExecutor {
    // MARK: Helpers

    /// Runs a helper of the machine: its declared inputs are made concrete first, its outputs are concrete.
    ///
    /// Flags that travel through SYSCALL, SYSRET, IRET and POPF keep their terms: on these instructions, compilers leave flags
    /// behind that nobody reads, and a constraint for each would lose paths.
    func helper(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let effects = op.helperEffects
        if !state.hasSymbolicSlots && state.memory.isEmpty && temporariesAreConcrete(op, effects, state) {
            try runHelper(op, state)
            // A temporary may still have the term of an earlier block.
            for slot in effects.writes where !state.term(slot).isNone { state.setTerm(slot, .none) }
            return
        }
        switch op.helper {
        case .systemCall: try systemCall(op, state)
        case .systemReturn: try systemReturn(op, effects, state)
        case .interruptReturn: try interruptReturn(op, effects, state)
        case .writeSystemFlags:
            if flags(inWord: value(op.a, 64, op, state)) != nil {
                // The helper takes the system flags only, and these are constant.
                exemplify(op.a, state)
            }
            try plainHelper(op, effects, state)
        default: try plainHelper(op, effects, state)
        }
    }

    private func temporariesAreConcrete(
        _ op: MicroOp, _ effects: HelperEffects, _ state: ExecutionState
    ) -> Bool { effects.reads.allSatisfy { state.term($0).isNone } }

    private func plainHelper(
        _ op: MicroOp, _ effects: HelperEffects, _ state: ExecutionState
    ) throws(Interruption) {
        let name = op.helper.map { "\($0)" } ?? "helper"
        for slot in effects.reads { try concretise(slot, "\(slot), read by \(name)", state) }
        try finish(op, effects, state, name)
    }

    /// Runs the helper once its slots are concrete, and clears the terms of what it wrote.
    private func finish(
        _ op: MicroOp, _ effects: HelperEffects, _ state: ExecutionState, _ name: String
    ) throws(Interruption) {
        func place(_ effect: MemoryEffect) -> UInt64 {
            state.machine.slots[Int(effect.address.rawValue)] &+ UInt64(bitPattern: effect.displacement)
        }
        for effect in effects.memory where !effect.isWrite {
            try concretise(place(effect), effect.byteCount, .read, "memory read by \(name)", state)
        }
        let written = effects.memory.filter { $0.isWrite }.map { (place($0), $0.byteCount) }
        try runHelper(op, state)
        for (address, count) in written { try clearOverlay(address, count, state) }
        for slot in effects.writes where !state.term(slot).isNone { state.setTerm(slot, .none) }
    }

    /// Clears the terms of bytes that the machine wrote.
    private func clearOverlay(_ address: UInt64, _ count: Int, _ state: ExecutionState) throws(Interruption) {
        guard !state.memory.isEmpty else { return }
        try forEachPart(address, count, .write, state) { physical, range throws(Interruption) in
            if state.memory.hasSymbols(physical, range.count) {
                try setOverlay(physical, Array(repeating: .none, count: range.count), state)
            }
        }
    }

    /// Runs a helper; pages with symbolic bytes that it touches are made concrete where it reads and let through.
    private func runHelper(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        try onMachine(state) { machine throws(Interruption) in
            switch machine.runHelper(op) {
            case .completed: return nil
            case .exception(let exception): throw .exception(exception)
            case .exit(let exit): return exit
            }
        }
    }

    /// Repeats `body` while it stops at watched pages, which are let through one by one and watched again afterwards.
    private func onMachine(
        _ state: ExecutionState, _ body: (Machine) throws(Interruption) -> Exit?
    ) throws(Interruption) {
        var opened: [UInt64] = []
        var writes: [WatchedAccess] = []
        func close() throws(Interruption) {
            for page in opened where state.memory.hasPage(page) {
                do throws(MachineError) {
                    try state.machine.setWatched(page, true)
                } catch {
                    throw .end(.memoryFailure(error.description))
                }
            }
        }
        while true {
            let exit: Exit?
            do throws(Interruption) {
                exit = try body(state.machine)
            } catch {
                try close()
                throw error
            }
            guard let exit else { break }
            guard case .watchedAccess(let access) = exit, opened.count < 16 else {
                try close()
                throw .end(Self.end(exit, state))
            }
            let count = min(access.byteCount, 4096 - Int(access.physicalAddress & 4095))
            if access.isWrite {
                writes.append(access)
            } else {
                try concretise(physical: access.physicalAddress, count, "memory read by a system operation", state)
            }
            do throws(MachineError) {
                try state.machine.setWatched(access.physicalAddress, false)
            } catch {
                throw .end(.memoryFailure(error.description))
            }
            opened.append(access.physicalAddress & ~4095)
        }
        try close()
        for access in writes {
            let count = min(access.byteCount, 4096 - Int(access.physicalAddress & 4095))
            if state.memory.hasSymbols(access.physicalAddress, count) {
                try setOverlay(access.physicalAddress, Array(repeating: .none, count: count), state)
            }
        }
    }

    // MARK: Flags on their way

    private func systemCall(_ op: MicroOp, _ state: ExecutionState) throws(Interruption) {
        let flags = flagTerms(state)
        for flag in flags { exemplify(flag.slot, state) }
        let machine = state.machine
        do throws(Interruption) {
            try runHelper(op, state)
        } catch {
            for flag in flags { state.setTerm(flag.slot, flag.term) }
            throw error
        }
        for slot in op.helperEffects.writes { state.setTerm(slot, .none) }
        guard !flags.isEmpty else { return }
        set(.r11, flagsWord(machine.slots[Int(Slot.r11.rawValue)], flags), state)
        let mask = machine.processor.system.pointee.syscallMask
        for flag in flags where mask >> UInt64(flag.bit) & 1 == 0 { state.setTerm(flag.slot, flag.term) }
    }

    private func systemReturn(
        _ op: MicroOp, _ effects: HelperEffects, _ state: ExecutionState
    ) throws(Interruption) {
        let word = state.term(.r11).isNone ? nil : value(.r11, 64, op, state)
        guard let word, let flags = flags(inWord: word) else {
            try plainHelper(op, effects, state)
            return
        }
        try concretise(.rcx, "RCX, the return address of SYSRET", state)
        exemplify(.r11, state)
        try runHelper(op, state)
        for slot in effects.writes { state.setTerm(slot, .none) }
        for flag in flags { state.setTerm(flag.slot, flag.term) }
        state.setTerm(.r11, word)
    }

    private func interruptReturn(
        _ op: MicroOp, _ effects: HelperEffects, _ state: ExecutionState
    ) throws(Interruption) {
        try concretise(.rsp, "RSP, read by IRET", state)
        let size = op.detail / 8
        let stack = state.machine.slots[Int(Slot.rsp.rawValue)]
        var kept: [(slot: Slot, bit: Int, term: Term)] = []
        if size == 8, let terms = try overlay(stack &+ 16, 8, .read, state) {
            let word = try load(stack &+ 16, byteCount: 8, state).low
            if let flags = flags(inWord: resized(word.term, to: 64)) {
                kept = flags
                // The frame is consumed: its flags may become an example.
                for (index, term) in terms.enumerated() where !term.isNone {
                    let value = solver.example(term, on: state.path)
                    let address = stack &+ 16 &+ UInt64(index)
                    try forEachPart(address, 1, .read, state) { physical, _ throws(Interruption) in
                        try setOverlay(physical, [arena.constant(value, width: 8)], state)
                    }
                }
            }
        }
        for slot in Slot.arithmeticFlags + [.df] { state.setTerm(slot, .none) }
        try plainHelper(op, effects, state)
        for flag in kept { state.setTerm(flag.slot, flag.term) }
    }

    // MARK: Exceptions

    /// Delivers an exception to the guest. Flags that are symbolic go to the frame as they are.
    func deliver(_ exception: GuestException, _ state: ExecutionState) throws(Interruption) {
        try concretise(.rsp, "RSP at an exception", state)
        let flags = flagTerms(state)
        for flag in flags { exemplify(flag.slot, state) }
        try onMachine(state) { machine in machine.raise(exception) }
        let hasCode = exception.errorCode != nil
        let frame = state.machine.slots[Int(Slot.rsp.rawValue)]
        try clearOverlay(frame, hasCode ? 48 : 40, state)
        guard !flags.isEmpty else { return }
        let place = frame &+ (hasCode ? 24 : 16)
        let word: UInt64
        do throws(AccessFailure) {
            word = try state.machine.load(place, byteCount: 8, ignoringWatch: true).low
        } catch {
            throw interruption(error, state)
        }
        try store(
            SlotContents(term: flagsWord(word, flags)), SlotContents(), to: place, byteCount: 8, state)
        for flag in flags { state.setTerm(flag.slot, flag.term) }
    }
}
