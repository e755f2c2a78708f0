import Expressions
import Machine
import X86

/// The guest's requests; see ``GuestHypercall``.
extension SymbolicExecutor {
    /// Serves a hypercall; RIP is behind the instruction.
    func hypercall(_ number: UInt16, _ state: ExecutionState) throws(Interruption) {
        do throws(Interruption) {
            try serve(number, state)
        } catch {
            if case .exception = error {
                // Like a load by the instruction: it has not retired, and is repeated once the memory is there.
                state.machine.slots[Int(Slot.rip.rawValue)] &-= GuestHypercall.instructionLength
                state.machine.retiredInstructions &-= 1
            }
            throw error
        }
    }

    private func serve(_ number: UInt16, _ state: ExecutionState) throws(Interruption) {
        guard let call = GuestHypercall(rawValue: number) else {
            setResult(0, state)
            return
        }
        switch call {
        case .version: setResult(GuestHypercall.interfaceVersion, state)
        case .makeSymbolic:
            let address = try argument(.rdi, state)
            let count = try argument(.rsi, state)
            let name = try text(at: try argument(.rdx, state), state)
            try makeSymbolic(address, count, name, state)
            setResult(1, state)
        case .assume:
            try assume(state)
            setResult(1, state)
        case .print:
            let line = try text(at: try argument(.rdi, state), state)
            state.log.append(line)
            observer?.statePrinted(state, text: line)
            setResult(1, state)
        case .endPath:
            let status = try argument(.rdi, state)
            let address = try argument(.rsi, state)
            let message = address == 0 ? "" : try text(at: address, state)
            throw .end(.finished(status: status, message: message))
        case .pathID:
            state.pathNumbers.append(state.id)
            setResult(UInt64(state.id), state)
        }
    }

    private func setResult(_ value: UInt64, _ state: ExecutionState) {
        state.machine.slots[Int(Slot.rax.rawValue)] = value
        state.setTerm(.rax, .none)
    }

    private func argument(_ slot: Slot, _ state: ExecutionState) throws(Interruption) -> UInt64 {
        try concretise(slot, "\(slot), an argument of a hypercall", state)
        return state.machine.slots[Int(slot.rawValue)]
    }

    private func assume(_ state: ExecutionState) throws(Interruption) {
        let term = state.term(.rdi)
        if term.isNone {
            if state.machine.slots[Int(Slot.rdi.rawValue)] == 0 { throw .end(.assumptionFailed) }
            return
        }
        let condition = arena.not(arena.equals(term, 0))
        let answer = try ask { () throws(ExpressionsError) in
            try solver.satisfy(condition, on: state.path)
        }
        switch answer {
        case .possible(let path): state.path = path
        case .impossible: throw .end(.assumptionFailed)
        case .unknown(let reason):
            throw .end(
                .unsupportedMode(
                    address: state.instructionPointer,
                    reason: "the solver could not decide an assumption (\(reason)); raise the solver's time-out"))
        }
    }

    private func makeSymbolic(
        _ address: UInt64, _ count: UInt64, _ name: String, _ state: ExecutionState
    ) throws(Interruption) {
        guard count <= GuestHypercall.maximumBufferSize else {
            throw .end(
                .unsupportedMode(
                    address: state.instructionPointer,
                    reason:
                        "a symbolic buffer of \(count) bytes; at most \(GuestHypercall.maximumBufferSize) are possible"
                ))
        }
        if count == 0 { return }
        let size = Int(count)
        // The bytes must be writable memory: a fault comes before anything changes.
        try forEachPart(address, size, .write, state) { physical, _ throws(Interruption) in
            let isRAM = state.machine.base.regions.contains {
                $0.isWritable && physical >= $0.start && physical - $0.start < $0.byteCount
            }
            if !isRAM { throw .end(.unmapped(address: physical)) }
        }
        let occurrence = state.inputs.count { $0.buffer.name == name && $0.buffer.count == size }
        let buffer = self.buffer(BufferKey(name: name, count: size, occurrence: occurrence))
        let present = try exampleBytes(address, size, state)
        let entries = buffer.bytes.enumerated().map { ByteValues.Entry(byte: $1, value: present[$0]) }
        state.path = solver.path(state.path, withFree: ByteValues(entries: entries))
        try forEachPart(address, size, .write, state) { physical, range throws(Interruption) in
            let terms = range.map { arena.symbol(buffer.firstByte + UInt32($0)) }
            try setOverlay(physical, terms, state)
        }
        state.inputs.append(SymbolicInput(address: address, buffer: buffer))
    }

    /// The bytes at a virtual address as the path's example has them.
    private func exampleBytes(
        _ address: UInt64, _ count: Int, _ state: ExecutionState
    ) throws(Interruption) -> [UInt8] {
        var bytes: [UInt8]
        do throws(AccessFailure) {
            bytes = try state.machine.readVirtual(address, count: count)
        } catch {
            throw interruption(error, state)
        }
        if let terms = try overlay(address, count, .read, state) {
            for (index, term) in terms.enumerated() where !term.isNone {
                bytes[index] = UInt8(truncatingIfNeeded: solver.example(term, on: state.path))
            }
        }
        return bytes
    }

    /// A NUL-terminated text; symbolic bytes show the path's example. Invalid UTF-8 is repaired.
    private func text(at address: UInt64, _ state: ExecutionState) throws(Interruption) -> String {
        var bytes: [UInt8] = []
        while bytes.count < GuestHypercall.maximumTextLength {
            let current = address &+ UInt64(bytes.count)
            // Up to the page's end, so that no page behind the terminator is touched.
            let count = min(64, 4096 - Int(current & 4095))
            let part = try exampleBytes(current, count, state)
            if let end = part.firstIndex(of: 0) {
                bytes += part[..<end]
                break
            }
            bytes += part
        }
        return String(decoding: bytes.prefix(GuestHypercall.maximumTextLength), as: UTF8.self)
    }
}
