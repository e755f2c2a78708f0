import ContentStore
import Foundation
import Hypervisor
import Lineage
import Testing
import Workflow

/// A home in a temporary directory, with a VM that has a disk and no boot files.
struct TemporaryHome: ~Copyable {
    let stemma: Stemma

    init(progress: ProgressLog = .silent) throws {
        stemma = try Stemma(
            home: Home(root: NSTemporaryDirectory() + "workflow-" + UUID().uuidString), progress: progress)
    }

    deinit { try? FileManager.default.removeItem(atPath: stemma.home.root) }

    func createVM(_ name: String, disk: UInt64 = 1 << 20) throws {
        let ingest = try stemma.store.beginIngest(label: "test")
        var commit = Commit(kind: EdgeKind.image.rawValue)
        commit.disks["disk0"] = TreeRoot(kind: .disk, length: disk, digest: nil)
        let configuration = MachineConfiguration(
            machine: "pc-i440fx-7.2", cpu: "qemu64", memoryMiB: 32, diskCount: 1)
        commit.machine = try ingest.putBlob([UInt8](JSONEncoder().encode(configuration)))
        try stemma.catalogue.createVM(Name(name), commit: commit, ingest: ingest, operation: "test")
    }
}

@Suite struct StemmaTests {
    @Test func listsShowSizesAsUsersOfS2EKnowThem() throws {
        let home = try TemporaryHome()
        try home.createVM("Debian", disk: 10_240 << 20)
        #expect(try home.stemma.listVMs().map(\.text) == ["Debian\n  Size: 10240.0MiB"])
    }

    @Test func aHomeThatCannotBeMadeIsAClearError() {
        let error = #expect(throws: WorkflowError.self) { try Stemma(home: Home(root: "/proc/none/stemma")) }
        #expect(error?.code == .io)
        #expect(error?.message.contains("STEMMA_HOME") == true)
    }

    @Test func requestsThatMeanNothingAreRefusedBeforeAnythingStarts() async throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        let vm = try Reference(parsing: "Mini")
        var until = RunRequest(vm, mode: .prep)
        until.until = "READY"
        var save = RunRequest(vm, mode: .prep)
        save.isHeadless = true
        save.save = try Name("x")
        var memory = try RunRequest(Reference(parsing: "Mini:x"), mode: .prep)
        memory.memoryMiB = 64
        var keep = try RunRequest(Reference(parsing: "Mini:x"), mode: .prep)
        keep.keepsDisks = true
        for request in [until, save, memory, keep] {
            let error = await #expect(throws: WorkflowError.self) { try await home.stemma.run(request) }
            #expect(error?.code == .usage)
        }
        #expect(!FileManager.default.fileExists(atPath: home.stemma.home.runs))
    }

    @Test func aDryRunShowsTheCommandLineAndStartsNothing() async throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        var request = try RunRequest(Reference(parsing: "Mini"), mode: .prep)
        request.isDryRun = true
        request.memoryMiB = 96
        request.extraArguments = ["-device", "virtio-rng-pci"]
        let line = try await home.stemma.run(request).commandLine
        for part in ["qemu-system-x86_64", "pc-i440fx-7.2", "accel=tcg", "96", "virtio-rng-pci", "virtio-blk-pci"] {
            #expect(line.contains(part), "\(part) in \(line)")
        }
        #expect(try home.stemma.runs.entries().isEmpty)
    }

    @Test func anImportOfWhatIsNoSnapshotLeavesNoTrace() throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        let file = home.stemma.home.root + "/text"
        try Data("this is no migration stream".utf8).write(to: URL(fileURLWithPath: file))
        let request = try ImportRequest(file: file, vm: Name("Mini"), name: Name("x"))
        #expect(throws: (any Error).self) { try home.stemma.importSnapshot(request) }
        #expect(try home.stemma.listSnapshots(of: Name("Mini")).isEmpty)
        #expect(try home.stemma.store.verify(level: .deep).isSound)
    }

    @Test func aDirectoryOfARunThatNeverStartedIsCleanedUp() async throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        var left: RunDirectory? = try RunDirectory.create(under: home.stemma.home.runs, name: "Mini", purpose: "prep")
        #expect(left != nil)
        // Gone without a word, as after a crash: the lock goes, the directory stays.
        left = nil
        #expect(try home.stemma.runs.entries().count == 1)
        await home.stemma.recoverRuns()
        #expect(try home.stemma.runs.entries().isEmpty)
    }

    @Test func theLogNamesEveryStep() throws {
        let home = try TemporaryHome()
        try home.createVM("Mini")
        try home.stemma.catalogue.clone(Name("Mini"), as: Name("Copy"))
        let log = try home.stemma.log(LogRequest(vm: Name("Mini")))
        #expect(log.entries.map(\.kind) == ["clone", "image"])
        #expect(log.text(asGraph: true).contains("● image      Mini"))
        #expect(throws: LineageError.self) { try home.stemma.log(LogRequest(vm: Name("Other"))) }
    }
}
