import CLibvirt
import Glibc

/// libvirt's functions, from the system's library; it is loaded for the first connection.
struct LibvirtLibrary: @unchecked Sendable {
    // Unchecked: the pointers are written once and lead to a library that is never unloaded.
    let functions: libvirt_library

    /// The library, or why there is none.
    static let loaded: Result<LibvirtLibrary, LibvirtError> = {
        guard let functions = libvirt_library_load("libvirt.so.0") else {
            let cause = dlerror().map { String(cString: $0) } ?? "no reason given"
            return .failure(
                LibvirtError(
                    .unreachable,
                    "libvirt cannot be loaded (\(cause)). Install the package libvirt0."))
        }
        // Errors are thrown and not printed; the embedded driver needs an event loop that is registered.
        functions.pointee.virSetErrorFunc(nil) { _, _ in }
        _ = functions.pointee.virEventRegisterDefaultImpl()
        return .success(LibvirtLibrary(functions: functions.pointee))
    }()
}
