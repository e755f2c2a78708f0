/// C41: a CPU model that the target has.
struct SetCPUModel: LaunchFix {
    static let id = "set-cpu-model"

    func apply(to launch: inout LaunchRecord, context: CheckContext) -> [StreamChange] {
        let before = launch.cpu
        // Features that another fix has set meanwhile are kept.
        launch.cpu = ResumeCPU.adapted(launch, context).text
        return launch.cpu == before ? [] : [.commandLine("-cpu", before: before, after: launch.cpu)]
    }
}

/// C10, C12, C17: CPU features that the guest has switched on.
struct SetCPUFeatures: LaunchFix {
    static let id = "set-cpu-features"

    func apply(to launch: inout LaunchRecord, context: CheckContext) -> [StreamChange] {
        let before = launch.cpu
        var argument = ResumeCPU.adapted(launch, context)
        for feature in RequiredFeatures(context).names where !argument.provides(feature, context) {
            argument.set(feature)
        }
        launch.cpu = argument.text
        return launch.cpu == before ? [] : [.commandLine("-cpu", before: before, after: launch.cpu)]
    }
}

/// C33: physical addresses as wide as the guest saw them.
struct SetPhysicalBits: LaunchFix {
    static let id = "set-phys-bits"

    func apply(to launch: inout LaunchRecord, context: CheckContext) throws -> [StreamChange] {
        let bits = try PhysicalAddressWidth(context).needed
        let before = launch.cpu
        var argument = ResumeCPU(before)
        argument.set("phys-bits", to: String(bits))
        launch.cpu = argument.text
        return [.commandLine("-cpu", before: before, after: launch.cpu)]
    }
}

/// C35: the version that KVM's IOAPIC shows.
struct SetIOAPICVersion: LaunchFix {
    static let id = "set-ioapic-version"
    /// KVM's IOAPIC (Linux, `arch/x86/kvm/ioapic.h`).
    static let argument = "ioapic.version=0x11"

    func apply(to launch: inout LaunchRecord, context: CheckContext) -> [StreamChange] {
        guard !launch.arguments.contains(Self.argument) else { return [] }
        launch.arguments += ["-global", Self.argument]
        return [.commandLine("-global", before: "none", after: Self.argument)]
    }
}

/// C34: as much memory as the snapshot has.
struct SetMemorySize: LaunchFix {
    static let id = "set-memory-size"

    func apply(to launch: inout LaunchRecord, context: CheckContext) throws -> [StreamChange] {
        guard let bytes = context.stream.mainRAM?.usedLength, bytes != launch.memoryBytes else { return [] }
        let before = launch.memoryBytes
        launch.memoryBytes = bytes
        return [.commandLine("-m", before: "\(before >> 20)M", after: "\(bytes >> 20)M")]
    }
}

/// C03: as many CPUs as the snapshot has.
struct SetCPUCount: LaunchFix {
    static let id = "set-cpu-count"

    func apply(to launch: inout LaunchRecord, context: CheckContext) -> [StreamChange] {
        let before = launch.cpus
        guard before != context.cpus.count else { return [] }
        launch.cpus = context.cpus.count
        return [.commandLine("-smp", before: "\(before)", after: "\(launch.cpus)")]
    }
}
