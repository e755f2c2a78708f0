import Dispatch
import Glibc

/// Runs independent pieces of one computation on all cores.
enum Parallel {
    /// How many threads can run at the same time.
    static var cores: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// Calls `body` once for each number below `count`, some at the same time, and returns when all are done.
    ///
    /// The body is not `Sendable`, because it fills buffers that the caller owns: the caller guarantees that no two calls touch the same
    /// memory unless both only read it.
    static func perform(_ count: Int, _ body: (Int) -> Void) {
        // With several pieces waking the other cores pays; with one it does not.
        guard count > 1 else {
            if count == 1 { body(0) }
            return
        }
        withoutActuallyEscaping(body) { body in
            let shared = Shared(body: body)
            DispatchQueue.concurrentPerform(iterations: count) { shared.body($0) }
        }
    }

    /// `@unchecked Sendable`: the caller of `perform` promises that calls do not interfere, and `perform` outlives them all.
    private struct Shared: @unchecked Sendable {
        let body: (Int) -> Void
    }
}
