import CLibXML2
import Glibc

/// libxml2's functions, from the system's library; it is loaded for the first document.
struct XMLLibrary: @unchecked Sendable {
    // Unchecked: the pointers are written once and lead to a library that is never unloaded.
    let functions: xml_library

    /// The library, or why there is none.
    static let loaded: Result<XMLLibrary, CPUModelError> = {
        guard let functions = xml_library_load("libxml2.so.2") else {
            let cause = dlerror().map { String(cString: $0) } ?? "no reason given"
            return .failure(
                CPUModelError(
                    .unavailable,
                    "libxml2 cannot be loaded (\(cause)). Install the package libxml2."))
        }
        return .success(XMLLibrary(functions: functions.pointee))
    }()
}
