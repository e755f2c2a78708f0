import PCDevices
import X86

// What KVM does for its guests, done by the engine: clocks, and calls between processors. Steal time is never reported, no page fault is
// ever asynchronous, and the end of an interrupt is never taken from memory; a host is free to do none of it.
extension Machine {
    /// VMCALL and VMMCALL, #UD for a guest without KVM: number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX.
    func hypervisorCall() throws(AccessFailure) {
        guard paravirtual.isOffered else { throw .exception(.invalidOpcode) }
        guard processor.system.pointee.privilegeLevel == 0 else {
            processor[.rax] = ParavirtualCall.forbidden
            return
        }
        let (first, second) = (processor[.rbx], processor[.rcx])
        switch processor[.rax] {
        case ParavirtualCall.pollInterrupts, ParavirtualCall.yield: processor[.rax] = 0
        case ParavirtualCall.kickProcessor:
            if let target = board.processor(withAPIC: UInt32(truncatingIfNeeded: second)) {
                processors[target].isHalted = false
            }
            processor[.rax] = 0
        case ParavirtualCall.sendInterrupts:
            processor[.rax] = sendInterrupts(
                low: first, high: second, firstID: UInt32(truncatingIfNeeded: processor[.rdx]),
                command: processor[.rsi])
        default: processor[.rax] = ParavirtualCall.unknown
        }
    }

    /// One interrupt for each set bit of 128, counted from an APIC ID. The result is how many processors got it.
    private func sendInterrupts(low: UInt64, high: UInt64, firstID: UInt32, command: UInt64) -> UInt64 {
        guard let delivery = InterruptMessage.Delivery(rawValue: UInt8(truncatingIfNeeded: command >> 8) & 7) else {
            return 0
        }
        var reached: UInt64 = 0
        for bit in 0..<UInt32(128) {
            let word = bit < 64 ? low : high
            guard word >> UInt64(bit & 63) & 1 != 0 else { continue }
            let id = firstID &+ bit
            guard let target = board.processor(withAPIC: id) else { continue }
            board.localAPICs[target].accept(
                InterruptMessage(
                    vector: UInt8(truncatingIfNeeded: command), delivery: delivery, destination: id))
            reached += 1
        }
        reconsiderInterrupts()
        return reached
    }

    /// What a write to one of KVM's MSRs does at once. The value itself is kept by the caller.
    func writeParavirtualMSR(_ number: UInt32, _ value: UInt64) {
        guard paravirtual.isOffered else { return }
        switch number {
        case ParavirtualMSR.systemTime, ParavirtualMSR.oldSystemTime:
            if value & 1 != 0 { writeClock(at: value & ~1) }
        case ParavirtualMSR.wallClock, ParavirtualMSR.oldWallClock:
            writeWallClock(at: value)
        case ParavirtualMSR.stealTime:
            if value & 1 != 0 { clearPreemption(at: value & ~63) }
        default: break
        }
    }

    /// `pvclock_vcpu_time_info`: 0 version, 8 ticks, 16 nanoseconds, 24 multiplier, 28 shift, 29 flags (bit 0: the counters of all processors agree).
    private func writeClock(at address: UInt64) {
        var memory = DeviceMemory(self)
        let scale = ClockScale(hertz: options.timeStampRate)
        let version: UInt32 = (memory.load(address) ?? 0) & ~1
        _ = memory.store(version | 1, at: address)
        _ = memory.store(timeStamp, at: address &+ 8)
        _ = memory.store(paravirtual.clockBase &+ processor.time(options), at: address &+ 16)
        _ = memory.store(scale.multiplier, at: address &+ 24)
        _ = memory.store(scale.shift, at: address &+ 28)
        _ = memory.store(UInt8(1), at: address &+ 29)
        _ = memory.store(version &+ 2, at: address)
    }

    /// `pvclock_wall_clock`: 0 version, 4 seconds, 8 nanoseconds.
    private func writeWallClock(at address: UInt64) {
        var memory = DeviceMemory(self)
        let version: UInt32 = (memory.load(address) ?? 0) & ~1
        _ = memory.store(version | 1, at: address)
        _ = memory.store(UInt32(truncatingIfNeeded: paravirtual.wallClockSeconds), at: address &+ 4)
        _ = memory.store(UInt32(truncatingIfNeeded: paravirtual.wallClockNanoseconds), at: address &+ 8)
        _ = memory.store(version &+ 2, at: address)
    }

    /// A processor that was saved while it waited for the host counts as preempted: others would leave work for the host. Byte 16 of
    /// `kvm_steal_time` tells.
    func clearPreemption(at address: UInt64) {
        var memory = DeviceMemory(self)
        _ = memory.store(UInt8(0), at: address &+ 16)
    }

    /// Tells the guest that all pages are there which its tasks wait for, as KVM does when a snapshot's MSRs are set. The token for all of
    /// them is ~0; it goes to offset 4 of `kvm_vcpu_pv_apf_data`, when the guest has taken the last one.
    ///
    /// - Parameters:
    ///   - control: MSR 0x4B564D02: address, bit 0 on, bit 3 news come as an interrupt. Without bit 3 they cannot be given.
    ///   - vector: MSR 0x4B564D06.
    func wakeTasks(ofProcessor index: Int, control: UInt64, vector: UInt8) {
        guard paravirtual.isOffered, control & 0b1001 == 0b1001 else { return }
        var memory = DeviceMemory(self)
        let place = (control & ~63) &+ 4
        guard let token: UInt32 = memory.load(place), token == 0, memory.store(UInt32.max, at: place) else { return }
        board.localAPICs[index].accept(
            InterruptMessage(vector: vector, destination: board.localAPICs[index].initialID))
    }
}

/// Guest-physical memory for devices, while one of them works. Code and translations of what it writes are given up as for a store by a processor.
struct DeviceMemory: PhysicalMemory {
    private let machine: Machine

    init(_ machine: Machine) { self.machine = machine }

    mutating func read(_ address: UInt64, into target: UnsafeMutableRawBufferPointer) -> Bool {
        var done = 0
        while done < target.count {
            let current = address &+ UInt64(done)
            let (index, _) = machine.base.pageIndex(ofPhysical: current)
            guard index >= 0, let page = try? machine.memory.readable(index), let start = target.baseAddress else {
                return false
            }
            let offset = Int(current & 4095)
            let part = min(4096 - offset, target.count - done)
            (start + done).copyMemory(from: page + offset, byteCount: part)
            done += part
        }
        return true
    }

    mutating func write(_ address: UInt64, from source: UnsafeRawBufferPointer) -> Bool {
        var done = 0
        while done < source.count {
            let current = address &+ UInt64(done)
            let (index, isWritable) = machine.base.pageIndex(ofPhysical: current)
            guard index >= 0, isWritable, let page = try? machine.writableBytes(ofPage: index),
                let start = source.baseAddress
            else { return false }
            let offset = Int(current & 4095)
            let part = min(4096 - offset, source.count - done)
            (page + offset).copyMemory(from: start + done, byteCount: part)
            done += part
        }
        return true
    }
}
