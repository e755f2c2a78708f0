import ContentStore
import Glibc
import Testing

/// Processes that work on a store are killed at random moments, or get in each other's way: everything they said they had committed is
/// there afterwards, whole.
///
/// The full form (`Tests/durability`) kills 200 processes; the bounded one some 20.
@Suite(.serialized) struct DurabilityTests {
    /// What refs must be, from what a process said.
    private struct Expectation {
        private(set) var refs: [String: Digest?] = [:]
        private(set) var failures: [String] = []
        private(set) var commits = 0
        private(set) var isReady = false

        /// Takes in what a process said until it ended; a last line that is cut off does not count.
        mutating func hear(_ text: String) {
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                let words = line.split(separator: " ")
                switch words.first {
                case "ready": isReady = true
                case "may" where words.count == 2: refs.removeValue(forKey: String(words[1]))
                case "is" where words.count == 3:
                    commits += 1
                    refs[String(words[1])] = .some(Digest(hex: String(words[2])))
                default: failures.append(String(line))
                }
            }
        }

        mutating func clearFailures() { failures = [] }
    }

    /// Everything that has to hold in the store after a kill.
    private func check(_ path: String, _ expectation: Expectation, _ context: String, deep: Bool) throws {
        #expect(expectation.failures.isEmpty, "\(context)")
        let store = try ContentStore.open(at: path, createIfMissing: false)
        for (name, digest) in expectation.refs {
            #expect(try store.ref(name) == digest, "\(name) is not what was committed: \(context)")
        }
        for (name, digest) in try store.refs() {
            let commit = try store.commit(digest)
            guard let root = commit.trees["t"] else { continue }
            let bytes = try store.bytes(root)
            #expect(Digest(of: bytes).hex == commit.attributes["sha256"], "\(name): \(context)")
        }
        let damage = try store.verify(level: deep ? .deep : .structure).damage
        #expect(damage.isEmpty, "\(context)")
    }

    /// Nothing is left of the dead, and what nobody needs goes.
    private func checkCleanUp(_ path: String) throws {
        let store = try ContentStore.open(at: path, createIfMissing: false)
        for (name, _) in try store.refs() { try store.updateRefs([RefChange(name, new: nil)], operation: "end") }
        let report = try store.collect(CollectOptions(keepOperations: 0, maximumUnused: 0))
        #expect(report.after.packs == 0 && report.waiting.isEmpty)
        for directory in ["tmp", "leases", "packs", "indexes"] {
            #expect(try SystemFileSystem().entries(of: "\(path)/\(directory)").isEmpty, "\(directory)")
        }
    }

    /// The moments are chosen by the roles: each spends most of its time in what it is named after.
    @Test(arguments: ["importer", "mixed", "writer", "collector", "repacker"])
    func killedAtRandomMoments(role: String) throws {
        let directory = try TemporaryDirectory(isOnDisk: true)
        let path = "\(directory.path)/store"
        var random = Random(role.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        var expectation = Expectation()
        let rounds = TestScale.choose(4, full: 40)
        for round in 0..<rounds {
            let seed = random.next() >> 1
            // Collectors need something to collect: another process writes, and lives a little longer or shorter.
            let isAlone = ["importer", "mixed", "writer"].contains(role)
            let main = try Torture(path, role, seed)
            let helper = isAlone ? nil : try Torture(path, "writer", seed &+ 1)
            for process in [main, helper].compactMap({ $0 }) { try process.wait(for: "ready\n") }
            // Something is committed in each test, however slow the machine is.
            if round == 0 { try (helper ?? main).wait(for: "\nis ") }
            usleep(UInt32.random(in: 0..<TestScale.choose(400_000, full: 900_000), using: &random))
            var processes = [main, helper].compactMap { $0 }
            if Bool.random(using: &random) { processes.reverse() }
            for process in processes { expectation.hear(try process.killed()) }
            try check(path, expectation, "\(role), round \(round), seed \(seed)", deep: true)
        }
        #expect(expectation.isReady)
        #expect(expectation.commits > 0)
        try checkCleanUp(path)
    }

    @Test func manyProcessesAtOnce() throws {
        let directory = try TemporaryDirectory(isOnDisk: true)
        let path = "\(directory.path)/store"
        var random = Random(5)
        var expectation = Expectation()
        for round in 0..<TestScale.choose(1, full: 4) {
            let roles = ["writer", "writer", "writer", "writer", "reader", "collector", "repacker"]
            let processes = try roles.enumerated().map { number, role in
                try Torture(path, role, UInt64(round * 16 + number))
            }
            for process in processes { try process.wait(for: "ready\n") }
            try processes.first?.wait(for: "\nis ")
            sleep(TestScale.choose(4, full: 30))
            for process in processes.shuffled(using: &random) { expectation.hear(try process.killed()) }
            try check(path, expectation, "round \(round)", deep: true)
        }
        #expect(expectation.commits > 0)
        try checkCleanUp(path)
    }

    @Test func manyThreadsAtOnce() async throws {
        let fixture = try Fixture()
        let path = fixture.store.path
        let shared = fixture.store
        let rounds = TestScale.choose(15, full: 300)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    // Two share the object of the store, two have their own.
                    let store = writer % 2 == 0 ? shared : try ContentStore.open(at: path, createIfMissing: false)
                    var random = Random(UInt64(100 + writer))
                    for round in 0..<rounds {
                        var common = Random(UInt64(round / 3))
                        let bytes = common.bytes(200_000) + random.bytes(100_000)
                        let root = try store.add(
                            "\(writer)/\(round % 3)", bytes, options: IngestOptions(packSize: 150_000))
                        // Nobody else removes it.
                        #expect(try store.bytes(root) == bytes)
                        #expect(try shared.bytes(root) == bytes)
                        if round % 4 == 3 {
                            try store.updateRefs([RefChange("\(writer)/\(round % 3)", new: nil)], operation: "remove")
                        }
                    }
                }
            }
            group.addTask {
                let store = try ContentStore.open(at: path, createIfMissing: false)
                for round in 0..<rounds {
                    do {
                        if round % 5 == 4 {
                            _ = try store.repack(
                                RepackOptions(
                                    toleratedJumps: 0, collect: CollectOptions(keepOperations: 0, maximumUnused: 0)))
                        } else {
                            _ = try store.collect(CollectOptions(keepOperations: 0, maximumUnused: 0))
                        }
                    } catch let error as StoreError where error.code == .notFound && round % 5 == 4 {
                        // A commit to be put in order was removed just now.
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try fixture.reopened().verify(level: .deep).damage.isEmpty)
    }
}

/// A `store-torture` process.
private final class Torture {
    private let process: pid_t
    private let output: String
    private var isOver = false

    struct CannotStart: Error {
        var path: String
        var number: Int32
    }

    init(_ store: String, _ role: String, _ seed: UInt64) throws {
        // Beside the tests, where SwiftPM builds both.
        let tests = CommandLine.arguments.first ?? ""
        var executable = tests.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        executable += "/store-torture"
        if access(executable, X_OK) != 0 {
            var own = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/exe", &own, 4095)
            let text = String(decoding: own.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            executable = text.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            executable += "/store-torture"
        }
        output = "\(store)-\(role)-\(seed).out"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let texts: [String] = [executable, store, role, String(seed)]
        let words = texts.map { strdup($0) }
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, executable, &actions, nil, words + [nil], environ)
        guard failure == 0 else { throw CannotStart(path: executable, number: failure) }
        self.process = process
    }

    deinit {
        if !isOver { end() }
        unlink(output)
    }

    /// Waits until it has said something; throws when it ends before.
    func wait(for text: String) throws {
        while !String(decoding: try contents(of: output), as: UTF8.self).contains(text) {
            var information = siginfo_t()
            let result = waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT)
            guard result == 0, information.si_signo == 0 else {
                throw StoreError(.io, "ended early: \(String(decoding: try contents(of: output), as: UTF8.self))")
            }
            usleep(2000)
        }
    }

    private func end() {
        isOver = true
        kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }

    /// Kills it; returns what it had said.
    func killed() throws -> String {
        end()
        return String(decoding: try contents(of: output), as: UTF8.self)
    }
}
