// Accesses that the TLB has led to the host's memory
extension Machine {
    /// Unsafe: `host` is valid for `width` bits, `destination` for as many slots (two for 128).
    @inline(__always)
    static func load(
        _ host: UnsafeMutableRawPointer, _ width: UInt64, to destination: UnsafeMutablePointer<UInt64>
    ) {
        switch width {
        case 8: destination.pointee = UInt64(host.load(as: UInt8.self))
        case 16: destination.pointee = UInt64(host.loadUnaligned(as: UInt16.self))
        case 32: destination.pointee = UInt64(host.loadUnaligned(as: UInt32.self))
        case 64: destination.pointee = host.loadUnaligned(as: UInt64.self)
        default:
            destination[0] = host.loadUnaligned(as: UInt64.self)
            destination[1] = host.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        }
    }

    /// Unsafe alike. `value` is what `source` holds; it may be the immediate slot for widths below 128.
    @inline(__always)
    static func store(
        _ host: UnsafeMutableRawPointer, _ width: UInt64, _ source: UnsafeMutablePointer<UInt64>, _ value: UInt64
    ) {
        switch width {
        case 8: host.storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        case 16: host.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
        case 32: host.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
        case 64: host.storeBytes(of: value, as: UInt64.self)
        default:
            host.storeBytes(of: value, as: UInt64.self)
            host.storeBytes(of: source[1], toByteOffset: 8, as: UInt64.self)
        }
    }
}
