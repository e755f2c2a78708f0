import Hypervisor
import Lineage

/// What a user asks of `stemma run VM kvm|prep`.
package struct RunRequest: Sendable {
    /// What executes the guest. `prep` is S2E's word for a run under the translator that prepares an experiment.
    package enum Mode: String, Sendable, CaseIterable {
        case kvm
        case prep

        package var accelerator: LaunchOptions.Accelerator { self == .kvm ? .kvm : .tcg }
    }

    package var reference: Reference
    package var mode: Mode
    /// Without a terminal: the serial console goes into a file.
    package var isHeadless = false
    /// Wait for this text on the serial console, then save (if asked) and end. Headless only.
    package var until: String?
    /// How long to wait for `until`.
    package var timeout: Duration = .seconds(600)
    /// The name of the snapshot to save when `until` appeared.
    package var save: Name?
    /// What the user says about that snapshot.
    package var remarks = Remarks()
    /// Instead of the machine's CPU model.
    package var cpu: String?
    package var memoryMiB: Int?
    package var cpus: Int?
    package var extraArguments: [String] = []
    /// Make the disks as the guest left them the VM's new head even when the guest was not switched off.
    package var keepsDisks = false
    /// Build the command line and start nothing.
    package var isDryRun = false
    /// Main memory in a file that QEMU maps, where that can be: fast snapshots and a fast resume.
    package var sharesMemory = true
    /// Tell also what only matters for speed.
    package var isVerbose = false
    /// How long a snapshot that is resumed under the translator is watched for signs of life; zero for not at all.
    package var watch: Duration = .seconds(10)
    /// It resumes a save that was made anew, after the first one did not live.
    var isRetry = false
    /// The guest stands still until the piece of work of the run lets it go.
    var isTrial = false
    /// Say in the outcome what QEMU had in memory at the end.
    var isMeasured = false

    package init(_ reference: Reference, mode: Mode) {
        self.reference = reference
        self.mode = mode
    }

    /// Refuses combinations that mean nothing.
    func validate() throws {
        func refuse(_ text: String) -> WorkflowError { WorkflowError(.usage, text) }
        if until != nil, !isHeadless { throw refuse("--until watches the console of a headless run: add --headless.") }
        if save != nil, until == nil {
            throw refuse(
                "--save needs --until TEXT, which says when to save. In an interactive run, type 'savevm NAME' "
                    + "into the monitor (Ctrl-a c).")
        }
        if until?.isEmpty == true { throw refuse("--until needs a text.") }
        if reference.snapshot != nil, memoryMiB != nil || cpus != nil || !extraArguments.isEmpty {
            throw refuse(
                "A snapshot resumes on the machine it was taken on: memory, CPUs and devices cannot change. Leave out "
                    + "--memory, --cpus and --qemu-opt, or start '\(reference.vm)' without ':\(reference.snapshot?.text ?? "")'."
            )
        }
        if reference.snapshot != nil, keepsDisks {
            throw refuse("--keep-disks moves the head of a VM, and a run of a snapshot does not start from it.")
        }
    }
}

/// What a run left behind.
package struct RunOutcome: Sendable, Encodable {
    /// Snapshots that are in the store now, in the order they were taken.
    package var snapshots: [Reference] = []
    /// The VM's head has the disks as the guest left them.
    package var movedHead = false
    /// The guest wrote to its disks, and those writes are not in the head.
    package var discardedDiskChanges = false
    /// The command line of QEMU in shell syntax.
    package var commandLine = ""
    /// The last part of the serial console.
    package var console = ""
    /// Seconds from the beginning until the guest ran.
    package var startSeconds = 0.0
    /// What QEMU had in memory at the end, if it was asked for.
    package var memory: MemoryUse?
}
