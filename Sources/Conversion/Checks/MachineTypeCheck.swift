import VMState

/// C01: the target has to know the machine type, by its versioned name.
struct MachineTypeCheck: SnapshotCheck {
    let id = "C01"
    let title = "Machine type"
    let explanation = """
        A stream names the machine type that wrote it, and loads only into that type: the set of devices, their versions and \
        their places depend on it. Names with a version (pc-q35-7.2) mean the same in every QEMU that knows them; "pc" and \
        "q35" mean the newest of each QEMU. A type that the target does not know, because it is too new, or too old and \
        removed, cannot be emulated by another one.
        """

    func run(_ context: CheckContext) -> [Finding] {
        guard let name = context.stream.machineName else {
            return [
                finding(
                    .fatal, "The snapshot does not name its machine type",
                    evidence: [Finding.Evidence(section: "configuration", value: "missing")],
                    effect: "QEMU would load the devices into whatever machine it is started with.",
                    remedy:
                        "Take the snapshot again without the machine option that suppresses the configuration section.")
            ]
        }
        let evidence = [Finding.Evidence(section: "configuration", field: "machine", value: name)]
        // Of targets that list none it is not known which they have.
        let types = context.target.machineTypes
        guard types.isEmpty || types.contains(name) else {
            return [
                finding(
                    .fatal, "The target does not know the machine type \(name)", evidence: evidence,
                    effect: "QEMU refuses to start: unsupported machine type.",
                    remedy: remedy(name, context))
            ]
        }
        if MachineType(name: name) == nil {
            return [
                finding(
                    .warning, "\(name) is no versioned PC machine type", evidence: evidence,
                    effect: "Its devices may differ between versions of QEMU; what else is checked was made for PCs.",
                    remedy: "Use pc-i440fx-VERSION or pc-q35-VERSION for guests whose snapshots shall be moved.")
            ]
        }
        return []
    }

    private func remedy(_ name: String, _ context: CheckContext) -> String {
        let family = MachineType(name: name)?.family.rawValue ?? "pc-"
        let newest = context.target.machineTypes.filter { $0.hasPrefix(family) }.compactMap(MachineType.init).max {
            ($0.major, $0.minor) < ($1.major, $1.minor)
        }
        var text = "Use a QEMU that knows \(name)"
        if let newest { text += ", or boot the guest again with '-M \(newest)' and take the snapshot anew" }
        return text + "."
    }
}
