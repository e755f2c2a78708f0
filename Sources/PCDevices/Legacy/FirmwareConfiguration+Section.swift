import VMState

extension FirmwareConfiguration {
    /// Takes the state of section `fw_cfg`: which item is being read, and where.
    package mutating func load(_ section: DeviceSection) throws(DeviceError) {
        selected = try section.integerField("cur_entry")
        // QEMU's name of the field has the index of a test in it.
        position = try section.integerField(Self.positionPath(section))
        address = section.integerField("fw_cfg/dma.dma_addr", default: 0)
    }

    /// Overwrites section `fw_cfg`.
    package func save(to section: inout DeviceSection) throws(DeviceError) {
        try section.setIntegerField("cur_entry", to: selected)
        try section.setIntegerField(Self.positionPath(section), to: position)
        try section.setOptionalIntegerField("fw_cfg/dma.dma_addr", to: address)
    }

    private static func positionPath(_ section: DeviceSection) -> String {
        section.contains("cur_offset") ? "cur_offset" : "cur_offset[1]"
    }
}
