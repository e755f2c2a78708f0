/// A function on the bus: its configuration space and the device behind its base addresses.
package struct PCIFunction: Sendable {
    /// What answers behind the base addresses.
    enum Device: Sendable {
        /// Nothing that a guest notices: registers are zero.
        case inert
        case virtio(VirtioPCI)
        case e1000(E1000)
        /// Chip configuration registers of the ICH9 behind its RCBA register.
        case ich9(ICH9Routing)
        /// The engine has no such device.
        case unsupported
    }

    package let address: PCIAddress
    /// Name of the section behind the address, `virtio-blk`.
    package let name: String
    /// Name of the section.
    package let sectionName: String
    package internal(set) var configuration: PCIConfigurationSpace
    let model: PCIModel
    var device: Device
    /// Levels of INTA-D in the snapshot: what a device that is not modelled is saved with.
    let loadedLevels: [Bool]

    /// The device wants an interrupt, whatever the command register says.
    var wantsInterrupt: Bool {
        switch device {
        case .virtio(let device): device.interruptLine
        case .e1000(let device): device.interruptLine
        case .inert, .ich9, .unsupported: false
        }
    }

    /// The INTx line that the function drives: 0 for INTA; nil while it drives none or the command register forbids it.
    var assertedPin: Int? {
        guard wantsInterrupt, !configuration.command.contains(.interruptDisable) else { return nil }
        return configuration.interruptPin
    }

    /// Levels of INTA-D as QEMU keeps them, before the command register's disable bit.
    var levels: [Bool] {
        switch device {
        case .virtio, .e1000: (0..<4).map { wantsInterrupt && $0 == configuration.interruptPin }
        case .inert, .ich9, .unsupported: loadedLevels
        }
    }

    /// The engine has no device for this function.
    package var isUnsupported: Bool {
        if case .unsupported = device { return true }
        return false
    }

    /// The virtio device of the function.
    package var virtio: VirtioPCI? {
        if case .virtio(let device) = device { return device }
        return nil
    }

    /// Messages that the device has sent since the last call.
    mutating func takeMessages() -> [MSIMessage] {
        guard case .virtio(var device) = device, device.msix?.messages.isEmpty == false else { return [] }
        self.device = .inert
        defer { self.device = .virtio(device) }
        return device.msix?.takeMessages() ?? []
    }

    /// Changes the virtio device in place: its contents are not copied.
    @discardableResult
    mutating func withVirtio<Result>(_ body: (inout VirtioPCI, inout PCIConfigurationSpace) -> Result) -> Result? {
        guard case .virtio(var device) = device else { return nil }
        self.device = .inert
        let result = body(&device, &configuration)
        if device.wantsBusMaster {
            device.wantsBusMaster = false
            let command = configuration.command.union(.busMaster)
            configuration.set(PCIRegister.command, byteCount: 2, value: UInt64(command.rawValue))
            device.follow(configuration)
        }
        self.device = .virtio(device)
        return result
    }
}

extension PCIFunction {
    /// Reads behind a base address register.
    mutating func read(_ base: PCIBaseAddress, _ offset: UInt64, byteCount: Int, now: UInt64) -> UInt64 {
        let isPort = base.space == .ports
        switch device {
        case .virtio:
            return withVirtio { device, _ in
                device.read(base: base.index, offset, byteCount: byteCount, isPort: isPort)
            } ?? 0
        case .e1000(var device):
            self.device = .inert
            defer { self.device = .e1000(device) }
            return device.read(offset, byteCount: byteCount, isPort: isPort)
        // Controllers without anything behind them are idle: all their registers are zero.
        case .inert, .ich9: return base.space == .rom ? UInt64.max : 0
        case .unsupported: return isPort || base.space == .rom ? UInt64.max : 0
        }
    }

    /// Writes behind a base address register.
    mutating func write<Memory: PhysicalMemory & ~Copyable>(
        _ base: PCIBaseAddress, _ offset: UInt64, byteCount: Int, value: UInt64, memory: inout Memory
    ) {
        let isPort = base.space == .ports
        switch device {
        case .virtio(var device):
            self.device = .inert
            device.write(
                base: base.index, offset, byteCount: byteCount, value: value, isPort: isPort, function: configuration,
                memory: &memory)
            self.device = .virtio(device)
            withVirtio { _, _ in }
        case .e1000(var device):
            self.device = .inert
            let isBusMaster = configuration.command.contains(.busMaster)
            device.write(
                offset, byteCount: byteCount, value: value, isPort: isPort, isBusMaster: isBusMaster, memory: &memory)
            self.device = .e1000(device)
        case .inert, .ich9, .unsupported: break
        }
    }

    /// Reads the configuration space as the guest does.
    mutating func readConfiguration(_ offset: Int, byteCount: Int) -> UInt64 {
        withVirtio { device, configuration in
            guard let window = device.window(offset, byteCount, configuration), let place = device.windowPlace else {
                return
            }
            let value = device.readModern(base: window.base, window.offset, byteCount: window.count)
            configuration.set(place, byteCount: window.count, value: value)
        }
        return configuration.read(offset, byteCount: byteCount)
    }

    /// Writes the configuration space as the guest does.
    mutating func writeConfiguration<Memory: PhysicalMemory & ~Copyable>(
        _ offset: Int, byteCount: Int, value: UInt64, memory: inout Memory
    ) {
        configuration.write(offset, byteCount: byteCount, value: value)
        guard case .virtio(var device) = device else { return }
        self.device = .inert
        device.follow(configuration)
        if let window = device.window(offset, byteCount, configuration), let place = device.windowPlace {
            let value = configuration.read(place, byteCount: window.count)
            device.write(
                base: window.base, window.offset, byteCount: window.count, value: value, isPort: false,
                function: configuration, memory: &memory)
        }
        self.device = .virtio(device)
    }
}
