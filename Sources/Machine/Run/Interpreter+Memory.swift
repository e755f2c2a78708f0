import X86

// Accesses by way of the TLB
extension Machine {
    /// Where `width` bits at an address are, by the entries of a TLB set; nil when the entry is of another page, or for reading only where
    /// `isWrite`, or when the bytes go over the page's end.
    @inline(__always)
    static func place(
        _ entries: UnsafeMutablePointer<TLBEntry>, _ address: UInt64, _ width: UInt64, isWrite: Bool
    ) -> UnsafeMutableRawPointer? {
        let entry = entries + Int((address >> 12) & UInt64(TLB.setCount - 1))
        let tag = isWrite ? entry.pointee.write : entry.pointee.read
        guard tag == address & ~4095, address & 4095 <= 4096 &- width >> 3, let page = entry.pointee.host else {
            return nil
        }
        return page + Int(address & 4095)
    }

    /// A load that the TLB does not know the place of.
    ///
    /// - Returns: why it did not happen.
    @inline(never)
    func loadMissed(
        _ address: UInt64, _ width: UInt64, to destination: UnsafeMutablePointer<UInt64>, forStore: Bool = false
    ) -> AccessFailure? {
        do throws(AccessFailure) {
            let value = try loadSlowly(address, byteCount: Int(width >> 3), forStore: forStore)
            destination[0] = value.low
            if width == 128 { destination[1] = value.high }
            return nil
        } catch {
            return error
        }
    }

    /// A store that the TLB does not know the place of.
    ///
    /// - Parameters:
    ///   - source: the slots with the value, of which the second one is read only when it is 128 bits wide.
    ///   - block: the block that it happens in, nil for that of a single instruction.
    /// - Returns: why it did not happen.
    @inline(never)
    func storeMissed(
        _ address: UInt64, _ width: UInt64, _ low: UInt64, _ source: UnsafeMutablePointer<UInt64>,
        inside block: Unmanaged<CachedBlock>?
    ) -> AccessFailure? {
        do throws(AccessFailure) {
            try storeSlowly(
                address, byteCount: Int(width >> 3), low: low, high: width == 128 ? source[1] : 0,
                inside: block?.takeUnretainedValue())
            return nil
        } catch {
            return error
        }
    }

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
