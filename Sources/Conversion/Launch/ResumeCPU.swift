/// The value of QEMU's option `-cpu`: a model and its settings in order.
struct ResumeCPU: Sendable, Hashable {
    /// Name of the model, for example `Haswell-noTSX`.
    var model: String
    /// Settings: `+smep` is (`smep`, `on`), `-smep` (`smep`, `off`), `phys-bits=42` (`phys-bits`, `42`).
    private(set) var settings: [(name: String, value: String)]

    /// Reads a value; what has no meaning stays as it is.
    init(_ text: String) {
        var parts = text.split(separator: ",", omittingEmptySubsequences: true)
        model = parts.isEmpty ? "" : String(parts.removeFirst())
        settings = parts.map { part in
            if part.hasPrefix("+") { return (Self.canonical(part.dropFirst()), "on") }
            if part.hasPrefix("-") { return (Self.canonical(part.dropFirst()), "off") }
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.canonical(pair[0]), pair.count == 2 ? String(pair[1]) : "on")
        }
    }

    /// The value as QEMU takes it.
    var text: String {
        ([model]
            + settings.map { setting in
                switch (setting.name, setting.value) {
                case ("enforce", "on"), ("check", "on"): setting.name
                case (let name, "on"): "+\(name)"
                case (let name, "off") where name != "kvm": "-\(name)"
                case (let name, let value): "\(name)=\(value)"
                }
            }).joined(separator: ",")
    }

    /// What a setting says of a feature; nil if there is none.
    func setting(_ name: String) -> String? { settings.last { $0.name == Self.canonical(name) }?.value }

    /// Sets, in place if there is a setting already.
    mutating func set(_ name: String, to value: String = "on") {
        let name = Self.canonical(name)
        if let index = settings.lastIndex(where: { $0.name == name }) {
            settings[index].value = value
        } else {
            settings.append((name, value))
        }
    }

    /// Takes settings away.
    mutating func remove(where matches: (String) -> Bool) { settings.removeAll { matches($0.name) } }

    private static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "_" ? "-" : $0 })
    }

    static func == (left: ResumeCPU, right: ResumeCPU) -> Bool { left.text == right.text }
    func hash(into hasher: inout Hasher) { hasher.combine(text) }
}

extension ResumeCPU {
    /// Settings that mean something to KVM alone.
    private static func isForKVMOnly(_ name: String) -> Bool {
        name == "kvm" || name.hasPrefix("kvm-") || name.hasPrefix("kvmclock") || name.hasPrefix("hv-")
            || ["migratable", "host-phys-bits", "host-phys-bits-limit", "invtsc", "pmu", "host-cache-info", "lmce"]
                .contains(name)
    }

    /// The argument with which the target resumes a guest that ran with `launch`.
    ///
    /// A guest of the capture model gets its counterpart; `host`, and a model that is only guessed, become everything that
    /// the target has; other models stay, without what only KVM understands.
    static func adapted(_ launch: LaunchRecord, _ context: CheckContext) -> ResumeCPU {
        var argument = ResumeCPU(launch.cpu)
        if context.target.accelerator == .kvm {
            // TCG's "max" is KVM's "host"; with "enforce", KVM would refuse what TCG alone has.
            if launch.cpu == context.captureModel.targetArgument {
                return ResumeCPU(context.captureModel.kvmArgument)
            }
            argument.remove { $0 == "enforce" }
            return argument
        }
        if [context.captureModel.kvmArgument, context.captureModel.targetArgument].contains(launch.cpu) {
            return ResumeCPU(context.captureModel.targetArgument)
        }
        argument.remove { Self.isForKVMOnly($0) || $0 == "enforce" }
        if argument.model == "host" || !launch.isCPUKnown { argument.model = "max" }
        return argument
    }

    /// The target surely gives a feature to the guest of `context`.
    func provides(_ feature: String, _ context: CheckContext) -> Bool {
        switch setting(feature) {
        case "on"?: true
        case .some: false
        // Under KVM a model has what the fingerprint says, else what QEMU defines it to have, and TCG gives it too; but KVM adds
        // x2APIC to every model.
        case nil:
            model == "max"
                || (feature != "x2apic" && (context.fingerprint ?? context.modelDefinition)?[feature] == true)
        }
    }
}
