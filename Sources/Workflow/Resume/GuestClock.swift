import Conversion
import GuestInspection
import Hypervisor
import Lineage

extension GuestWatch.Clock {
    /// The counter by which a Linux guest's own clock is seen to go on; nil where no kernel is found.
    init?(_ context: CheckContext) {
        var context = context
        if context.kernel == nil { context.findKernel() }
        guard let kernel = context.kernel, let address = kernel.symbol("jiffies_64") ?? kernel.symbol("jiffies"),
            let mapping = try? kernel.pages.translate(address)
        else { return nil }
        self.init(name: "jiffies", address: mapping.address)
    }
}

extension Stemma {
    /// The counter of a snapshot's guest. Nil where the snapshot cannot be read: watching does without.
    func guestClock(of snapshot: NamedCommit) async -> GuestWatch.Clock? {
        guard let target = try? await translator(installation()),
            let context = try? await checkContext(snapshot, target: target)
        else { return nil }
        return GuestWatch.Clock(context)
    }
}
