import VMState

/// C40: what several guests of one snapshot have in common.
struct CloneIdentityCheck: SnapshotCheck {
    let id = "C40"
    let title = "Identity shared by clones"
    let explanation = """
        Every guest that is resumed from one snapshot has the same random number state, machine id, host keys, MAC addresses \
        and boot id. Until their entropy differs, two clones draw the same "random" numbers: equal keys, equal temporary file \
        names, equal sequence numbers. For symbolic exploration that is wanted; for clones that talk to each other or to the \
        world it is not. A vmgenid device tells Linux 5.18 and later to reseed.
        """

    func run(_ context: CheckContext) -> [Finding] {
        if context.stream.devices.contains(where: { $0.idstr.hasSuffix("vmgenid") }) { return [] }
        return [
            finding(
                .note, "All guests that are resumed from this snapshot share random numbers and identity",
                evidence: [Finding.Evidence(section: "vmgenid", value: "missing")],
                effect: "Clones draw the same random numbers until their entropy differs.",
                remedy: "Nothing to do for exploration. Clones on a network: reseed and give them new ids first.")
        ]
    }
}
