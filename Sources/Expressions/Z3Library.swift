import CZ3
import Glibc

/// Z3's functions, from the system's library; it is loaded for the first solver.
struct Z3Library: @unchecked Sendable {
    // Unchecked: the pointers are written once and lead to a library that is never unloaded.
    let functions: z3_library

    /// The library, or why there is none.
    static let loaded: Result<Z3Library, ExpressionsError> = {
        guard let functions = z3_library_load("libz3.so.4") else {
            let cause = dlerror().map { String(cString: $0) } ?? "no reason given"
            return .failure(
                ExpressionsError(
                    code: .solverUnavailable, message: "Z3 cannot be loaded; install the package libz3-4",
                    cause: cause))
        }
        return .success(Z3Library(functions: functions.pointee))
    }()
}
