package import CNBD
import Glibc

/// libnbd's functions, from the system's library; it is loaded for the first client.
package struct NBDLibrary: @unchecked Sendable {
    // Unchecked: the pointers are written once and lead to a library that is never unloaded.
    package let functions: nbd_library

    /// Why there is no library, and what to do.
    package struct Missing: Error {
        package let text: String
    }

    /// The library, or why there is none.
    package static let loaded: Result<NBDLibrary, Missing> = {
        guard let functions = nbd_library_load("libnbd.so.0") else {
            let cause = dlerror().map { String(cString: $0) } ?? "no reason given"
            return .failure(
                Missing(text: "libnbd cannot be loaded (\(cause)); install the package libnbd0"))
        }
        return .success(NBDLibrary(functions: functions.pointee))
    }()
}
