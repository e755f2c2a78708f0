import VMState

/// C39: requests that a virtio device has taken and not answered.
struct VirtioRequestCheck: SnapshotCheck {
    let id = "C39"
    let title = "Requests of virtio devices under way"
    let explanation = """
        QEMU waits for the requests of its disks before it saves a machine, so that a snapshot has none under way; the guest \
        finds every request answered. One that failed, with werror=stop, is kept in the device's section and tried again when \
        the guest goes on: against another disk that may succeed or damage. A device whose ring shows requests that were taken, \
        while its section keeps none, has lost them: the guest waits for an answer that never comes.
        """

    func run(_ context: CheckContext) throws(VMStateError) -> [Finding] {
        var kept: [Finding.Evidence] = []
        var lost: [Finding.Evidence] = []
        for section in context.stream.devices(ofModel: "virtio-blk") {
            guard let device = VirtioDevice(section), device.isInUse else { continue }
            // Each request that is kept begins with a byte 1; a byte 0 ends the list.
            let keepsRequests = device.rest.first == 1
            if keepsRequests {
                kept.append(Finding.Evidence(section: section.name, field: "requests", value: "kept for another try"))
            }
            for (number, queue) in device.queues.enumerated() where queue.descriptors != 0 && queue.size > 0 {
                guard let used = try answered(queue, context), used != queue.next, !keepsRequests else { continue }
                lost.append(
                    Finding.Evidence(
                        section: section.name, field: "queue \(number)",
                        value: "\(queue.next &- used) taken and not answered"))
            }
        }
        var findings: [Finding] = []
        if !lost.isEmpty {
            findings.append(
                finding(
                    .warning, "A disk has taken requests and not answered them", evidence: lost,
                    effect: "The guest waits for them; its file system stands still.",
                    remedy: "Take the snapshot again when the disk is idle."))
        }
        if !kept.isEmpty {
            findings.append(
                finding(
                    .note, "A disk keeps requests that failed", evidence: kept,
                    effect: "They are tried again when the guest goes on.",
                    remedy: "Make sure that the disk is there and has room."))
        }
        return findings
    }

    /// How many requests the guest finds answered: the index in the used ring; nil if RAM does not tell (virtio 1.1, 2.6.8).
    private func answered(_ queue: VirtioDevice.Queue, _ context: CheckContext) throws(VMStateError) -> UInt16? {
        guard case .bytes(let ring) = try context.read(queue.used, count: 4) else { return nil }
        return ring.littleEndian(2)
    }
}
