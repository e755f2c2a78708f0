import ArgumentParser
import Lineage
import Workflow

/// `stemma run`
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a VM or resume a snapshot: under KVM, under the translator, in Stemma's engine.",
        discussion: """
            kvm     under KVM: fast, to install and configure
            prep    under QEMU's translator: to set up the experiment and save a snapshot
            native  in Stemma's engine, concretely: resumes any snapshot, also one of KVM as it is
            sym     in Stemma's engine, symbolically: explores from a snapshot, writes test cases

            Without --headless, the guest's serial console is on the terminal. Ctrl-a c switches to QEMU's monitor, where \
            'savevm NAME' saves a snapshot into the store and 'quit' ends; Ctrl-a h shows more. In a native run, Ctrl-a x \
            ends.

            A native run does the same each time: same snapshot, same options, same run, to the last bit of the digest that it \
            reports. Only what is typed into an interactive console comes from outside.

            --count resumes a snapshot several times at once. The guests share the memory that none of them has written, \
            but also what the snapshot knew: random numbers, host name, addresses, machine id. There is no device that \
            tells them (VMGENID); re-seed them yourself before they talk to anyone.
            """)

    /// The modes that a user may name.
    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case kvm, prep, native, sym
    }

    @Argument(help: "VM, or VM:SNAPSHOT.")
    var reference: Reference
    @Argument(help: "How to run it: kvm, prep, native or sym.")
    var mode: Mode

    @Flag(help: "Without a terminal; the serial console goes into a file.")
    var headless = false
    @Option(help: "Headless: wait for this text on the serial console, then end.")
    var until: String?
    @Option(help: "Seconds to wait for --until, or to explore (sym). Default: 600 and 300.")
    var timeout: Int?
    @Option(help: "Save a snapshot of this name when --until appeared.")
    var save: Name?
    @Option(help: "CPU model for QEMU, instead of the machine's.")
    var cpu: String?
    @Option(name: [.short, .long], help: "Memory in MiB, instead of the machine's.")
    var memory: Int?
    @Option(name: [.short, .customLong("cpus")], help: "Number of CPUs, instead of the machine's.")
    var cpus: Int?
    @Option(name: [.short, .customLong("qemu-opt")], help: "A further argument for QEMU; may be repeated.")
    var qemuOptions: [String] = []
    @Option(help: "Headless: resume VM:SNAPSHOT this many times; --until and --save (as NAME-1, ...) apply to each.")
    var count: Int?
    @Option(
        help: "prep: watch a resumed snapshot for so many seconds and explain why it does not live; 0 for not at all.")
    var watch: Int = 10
    @Flag(help: "Tell also how memory is shared, and times.")
    var verbose = false
    @Flag(help: "Keep the disks as the guest left them, even when it did not switch itself off.")
    var keepDisks = false
    @Flag(name: [.customShort("y"), .long], help: "Print QEMU's command line and run nothing.")
    var dryRun = false
    @OptionGroup(title: "The snapshot of --save") var remarks: RemarkOptions
    @OptionGroup(title: "Stemma's engine (native)") var native: NativeOptions
    @OptionGroup(title: "Exploration (sym)") var exploration: ExplorationOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let stemma = try options.open()
        await stemma.recoverRuns(startingRunOf: reference.vm)
        switch mode {
        case .sym: try await explore(stemma)
        case .native: try await runNative(stemma)
        case .kvm: try await runQEMU(stemma, .kvm)
        case .prep: try await runQEMU(stemma, .prep)
        }
    }

    private func runQEMU(_ stemma: Stemma, _ mode: RunRequest.Mode) async throws {
        guard (0...3600).contains(watch) else { throw ValidationError("--watch takes 0 to 3600 seconds.") }
        if exploration.isUsed {
            throw ValidationError("--expname, --search and the --max options are for 'sym' runs.")
        }
        if native.isUsed {
            throw ValidationError("--for, --input, --quantum, --seed and --interpreter are for 'native' runs.")
        }
        var request = RunRequest(reference, mode: mode)
        request.isHeadless = headless
        request.until = until
        request.timeout = .seconds(timeout ?? 600)
        request.watch = .seconds(watch)
        request.save = save
        request.remarks = remarks.remarks
        request.cpu = cpu
        request.memoryMiB = memory
        request.cpus = cpus
        request.extraArguments = qemuOptions
        request.keepsDisks = keepDisks
        request.isDryRun = dryRun
        request.isVerbose = verbose
        if let count {
            guard !dryRun else { throw ValidationError("--count and --dry-run do not go together.") }
            let report = try await stemma.runClones(request, count: count)
            if options.json { try Terminal.print(json: report) } else { Terminal.print(report.text) }
            if report.failures > 0 { throw ExitCode(69) }
            return
        }
        let outcome = try await stemma.run(request)
        if dryRun { return Terminal.print(outcome.commandLine) }
        if options.json { return try Terminal.print(json: outcome) }
        if headless { Terminal.print(outcome.console) }
        if outcome.movedHead { options.progress.step("\(reference.vm) starts from these disks now") }
        if outcome.discardedDiskChanges {
            options.progress.step(
                "what the guest wrote to its disks is not in \(reference.vm), because it was not switched off by the "
                    + "guest (--keep-disks keeps it)")
        }
    }

    private func runNative(_ stemma: Stemma) async throws {
        guard count == nil, cpu == nil, memory == nil, cpus == nil, qemuOptions.isEmpty, !keepDisks, !dryRun,
            !exploration.isUsed
        else {
            throw ValidationError(
                "A 'native' run resumes the snapshot's machine without QEMU: it takes only --headless, --until, --timeout, "
                    + "--save and its own options.")
        }
        var request = native.request(reference)
        request.isHeadless = headless
        request.until = until
        request.timeout = .seconds(timeout ?? 600)
        request.save = save
        request.remarks = remarks.remarks
        let report = try await stemma.runNative(request)
        if options.json { return try Terminal.print(json: report) }
        if headless { Terminal.print(report.console) }
        options.progress.step(report.text)
        if report.end == .unsupported { throw ExitCode(1) }
    }

    private func explore(_ stemma: Stemma) async throws {
        guard until == nil, save == nil, count == nil, cpu == nil, memory == nil, cpus == nil, qemuOptions.isEmpty,
            !keepDisks, !native.isUsed
        else {
            throw ValidationError(
                "A 'sym' run has no QEMU: it takes only --expname, --search, --timeout and --max options.")
        }
        let experiment = try await stemma.explore(exploration.request(reference, timeout: timeout))
        if options.json { return try Terminal.print(json: experiment) }
        Terminal.print(experiment.text)
    }
}
