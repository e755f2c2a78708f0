/// Where a function sits: device and function numbers from the root bus down, as QEMU names its sections.
///
/// `0000:00:04.0` is device 4 on the root bus; `0000:00:1c.0:00.0` is device 0 behind the bridge 1c.0.
package struct PCIAddress: Sendable, Hashable {
    /// Device number times 8 plus function number, of each bridge on the way and of the function itself.
    package let path: [UInt8]

    /// The function's device number on its bus.
    package var device: UInt8 { (path.last ?? 0) >> 3 }
    /// The function's number in its device.
    package var function: UInt8 { (path.last ?? 0) & 7 }
    /// Sits on bus 0.
    package var isOnRootBus: Bool { path.count == 1 }

    package init(path: [UInt8]) { self.path = path }

    package init(device: UInt8, function: UInt8) { path = [device &<< 3 | function & 7] }

    /// Reads the name of a section, `0000:00:04.0/virtio-blk`, and gives the rest (`virtio-blk`) as well; nil for a section
    /// that is none of a PCI function.
    package static func parse(_ name: String) -> (address: PCIAddress, model: String)? {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let numbers = parts[0].split(separator: ":", omittingEmptySubsequences: false)
        // Domain, root bus, and up to eight levels: more bridges than any board has.
        guard (3...10).contains(numbers.count), UInt16(numbers[0], radix: 16) == 0, UInt8(numbers[1], radix: 16) == 0
        else { return nil }
        var path: [UInt8] = []
        for number in numbers.dropFirst(2) {
            let pair = number.split(separator: ".", omittingEmptySubsequences: false)
            guard pair.count == 2, let device = UInt8(pair[0], radix: 16), device < 32,
                let function = UInt8(pair[1], radix: 16), function < 8
            else { return nil }
            path.append(device << 3 | function)
        }
        return (PCIAddress(path: path), String(parts[1]))
    }
}
