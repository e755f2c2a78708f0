import VMState

/// Takes out the sections that only KVM can load, with their entries in the description.
struct RemoveKVMSections: StreamFix {
    static let id = "remove-kvm-sections"

    func apply(to stream: inout MigrationStream) throws(VMStateError) -> [StreamChange] {
        var changes: [StreamChange] = []
        for device in stream.devices where KVMSectionsCheck.removable.contains(device.idstr) {
            try stream.remove(device.idstr, device.instanceID)
            changes.append(
                StreamChange(section: device.name, before: "\(device.payload.count) bytes", after: "removed"))
        }
        return changes
    }
}
