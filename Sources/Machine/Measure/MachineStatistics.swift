/// How often the engine left its fast paths since the machine was made: what a slow guest spends its time with.
///
/// Counted by Swift code that costs far more than the counting; what the fast paths do is not counted.
package struct MachineStatistics: Sendable, Hashable {
    /// Blocks that the jump cache did not have.
    package internal(set) var lookUps: UInt64 = 0
    /// How often the TLB and the jump cache were emptied, and how often the jump cache alone.
    package internal(set) var flushes: UInt64 = 0
    package internal(set) var jumpFlushes: UInt64 = 0
    /// Blocks that were lifted, and translated to machine code.
    package internal(set) var liftedBlocks: UInt64 = 0
    package internal(set) var translations: UInt64 = 0
    /// Returns of machine code to Swift code, for whatever reason.
    package internal(set) var returns: UInt64 = 0
    /// Guest accesses that the TLB did not serve.
    package internal(set) var loads: UInt64 = 0
    package internal(set) var stores: UInt64 = 0
    package internal(set) var helpers: UInt64 = 0
    /// Exceptions and interrupts that were delivered.
    package internal(set) var exceptions: UInt64 = 0
    /// Stores that met code.
    package internal(set) var codeWrites: UInt64 = 0
}

extension Machine {
    /// Counts of this machine since it was made, not of its forks.
    package var statistics: MachineStatistics {
        var result = counts
        for processor in processors {
            result.flushes &+= processor.tlb.flushCount
            result.jumpFlushes &+= processor.tlb.jumpFlushCount
        }
        return result
    }
}

extension MachineStatistics: CustomStringConvertible {
    package var description: String {
        "look-ups \(lookUps), flushes \(flushes) and \(jumpFlushes) of jumps, lifted \(liftedBlocks), translated \(translations), "
            + "returns \(returns), TLB misses \(loads) "
            + "loads and \(stores) stores, helpers \(helpers), exceptions \(exceptions), code writes \(codeWrites)"
    }
}
