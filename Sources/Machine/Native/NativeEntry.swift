import X86

/// Swift code that translated blocks call.
///
/// Arguments: the machine, the guest address, what for (`NativeRoutines`), the block, the frame's value and key. Result: 0, or what `enter`
/// is to return. The frame belongs to the caller; the machine is kept alive by whoever runs it.
enum NativeEntry {
    typealias Function =
        @convention(c) (
            UnsafeMutableRawPointer, UInt64, UInt64, UnsafeRawPointer, UnsafeMutablePointer<UInt64>,
            UnsafeMutablePointer<UInt64>
        ) -> UInt64

    static var loadAddress: UInt64 { address { NativeEntry.load($0, $1, $2, $3, $4, $5) } }
    static var storeAddress: UInt64 { address { NativeEntry.store($0, $1, $2, $3, $4, $5) } }
    static var helperAddress: UInt64 { address { NativeEntry.helper($0, $1, $2, $3, $4, $5) } }
    static var seldomAddress: UInt64 { address { NativeEntry.seldom($0, $1, $2, $3, $4, $5) } }
    static var repetitionAddress: UInt64 { address { NativeEntry.repetition($0, $1, $2, $3, $4, $5) } }

    private static func address(_ function: Function) -> UInt64 { UInt64(unsafeBitCast(function, to: UInt.self)) }

    /// What a call is about: bits 0-7 bytes, 8 for a store, 12-31 operation.
    private struct Request {
        let machine: Machine
        /// Alive, because the block cache drops no block while one is executed.
        let block: CachedBlock
        let operation: Int
        let byteCount: Int
        let isForStore: Bool

        @inline(__always)
        init(_ raw: UnsafeMutableRawPointer, _ info: UInt64, _ block: UnsafeRawPointer) {
            machine = Unmanaged<Machine>.fromOpaque(raw).takeUnretainedValue()
            self.block = Unmanaged<CachedBlock>.fromOpaque(block).takeUnretainedValue()
            operation = Int((info >> 12) & 0xF_FFFF)
            byteCount = Int(info & 0xFF)
            isForStore = info & 0x100 != 0
        }

        func fail(_ reason: AccessFailure) -> UInt64 {
            machine.nativeFailure = reason
            machine.nativeBlock = block
            return NativeStatus.failed.rawValue | UInt64(operation) << 8
        }
    }

    private static func load(
        _ raw: UnsafeMutableRawPointer, _ address: UInt64, _ info: UInt64, _ block: UnsafeRawPointer,
        _ value: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let request = Request(raw, info, block)
        let machine = request.machine
        machine.slots[16] = request.block.rip
        do throws(AccessFailure) {
            let loaded = try machine.loadSlowly(
                address, byteCount: request.byteCount, forStore: request.isForStore)
            value[0] = loaded.low
            value[1] = loaded.high
            return 0
        } catch {
            return request.fail(error)
        }
    }

    private static func store(
        _ raw: UnsafeMutableRawPointer, _ address: UInt64, _ info: UInt64, _ block: UnsafeRawPointer,
        _ value: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let request = Request(raw, info, block)
        let machine = request.machine
        machine.slots[16] = request.block.rip
        do throws(AccessFailure) {
            try machine.storeSlowly(
                address, byteCount: request.byteCount, low: value[0], high: value[1], inside: request.block)
            return 0
        } catch {
            return request.fail(error)
        }
    }

    private static func helper(
        _ raw: UnsafeMutableRawPointer, _ address: UInt64, _ info: UInt64, _ block: UnsafeRawPointer,
        _ value: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let request = Request(raw, info, block)
        let machine = request.machine
        machine.slots[16] = request.block.rip
        let operation = request.block.block.operations[request.operation]
        machine.slots[Int(Slot.immediate.rawValue)] = operation.immediate
        machine.processor.settleFlags()
        if let failure = machine.executeHelper(operation) { return request.fail(failure) }
        key.pointee = TLB.key(0, machine.translationSet) ^ machine.processor.system.pointee.modeKey
        return 0
    }

    private static func repetition(
        _ raw: UnsafeMutableRawPointer, _ address: UInt64, _ info: UInt64, _ block: UnsafeRawPointer,
        _ value: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let request = Request(raw, info, block)
        if let repetition = request.block.block.repetition { request.machine.repeatString(repetition) }
        return 0
    }

    private static func seldom(
        _ raw: UnsafeMutableRawPointer, _ address: UInt64, _ info: UInt64, _ block: UnsafeRawPointer,
        _ value: UnsafeMutablePointer<UInt64>, _ key: UnsafeMutablePointer<UInt64>
    ) -> UInt64 {
        let request = Request(raw, info, block)
        if Machine.executeSeldom(request.block.block.operations[request.operation], request.machine.slots) { return 0 }
        return request.fail(.exception(GuestException(.divideError)))
    }
}
