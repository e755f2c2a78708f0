import VMState

/// C34: blocks of RAM.
struct MemoryBlockCheck: SnapshotCheck {
    let id = "C34"
    let title = "RAM blocks"
    var fix: String? { SetMemorySize.id }
    let explanation = """
        RAM comes in named blocks: pc.ram, the firmware's ROMs, video memory, tables for the firmware. QEMU refuses a block \
        that its machine does not have, and one of another size if it cannot be resized. Main memory has to be called pc.ram, \
        and -m has to be its size; NUMA nodes and memory back ends give other names.
        """

    private static let known: Set<String> = ["pc.ram", "pc.bios", "pc.rom", "smram", "smram-region"]

    func run(_ context: CheckContext) -> [Finding] {
        guard let ram = context.stream.mainRAM else {
            return [
                finding(
                    .fatal, "The snapshot has no RAM block pc.ram",
                    evidence: context.stream.ram.blocks.map {
                        Finding.Evidence(section: "ram", field: $0.idstr, value: "\($0.usedLength) bytes")
                    },
                    effect: "Main memory is in back ends of its own, which the command line would have to repeat.",
                    remedy: "Boot the guest with plain -m and take the snapshot anew.")
            ]
        }
        var findings: [Finding] = []
        if let launch = context.launch, launch.memoryBytes != ram.usedLength {
            findings.append(
                finding(
                    .fixable,
                    "The snapshot has \(ram.usedLength >> 20) MiB of RAM, its command line \(launch.memoryBytes >> 20)",
                    evidence: [Finding.Evidence(section: "ram", field: ram.idstr, value: "\(ram.usedLength) bytes")],
                    effect: "QEMU refuses the snapshot: Size mismatch of pc.ram.",
                    remedy: "Convert the snapshot: -m is set."))
        }
        let strange = context.stream.ram.blocks.filter { block in
            !Self.known.contains(block.idstr) && !block.idstr.contains("/") && !block.idstr.hasSuffix(".vram")
        }
        if !strange.isEmpty, context.launch?.arguments.isEmpty != false {
            findings.append(
                finding(
                    .warning, "The snapshot has RAM blocks that a bare machine does not have",
                    evidence: strange.map {
                        Finding.Evidence(section: "ram", field: $0.idstr, value: "\($0.usedLength) bytes")
                    },
                    effect: "QEMU refuses the snapshot if it is started without them: Unknown ramblock.",
                    remedy: "Give the VM the same devices and memory back ends."))
        }
        return findings
    }
}
