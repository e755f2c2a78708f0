/// Where the machine is in its turns: processors run one after the other for the same span of virtual time.
///
/// A processor's own time is `Processor.timeBase` plus its retired instructions; it is never behind ``now``, and ahead of it by less than
/// a slice. Everything here follows from the snapshot and the options, never from how callers cut their budgets: same snapshot, same options,
/// same run.
package struct Schedule: Sendable, Hashable {
    /// Virtual nanoseconds at which the present slice began.
    package internal(set) var now: UInt64 = 0
    /// Where the slice ends.
    var end: UInt64 = 0
    /// The processor whose turn it is; the number of processors when all had theirs.
    var turn = 0
    /// The slice has begun.
    var isOpen = false

    /// Nanoseconds that a processor runs before the next one does.
    static let usualQuantum: UInt64 = 20_000
}
