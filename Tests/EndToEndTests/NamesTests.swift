import Foundation
import Testing

/// VMs, disks, the log and undo through the real binary. No guest runs.
@Suite(.serialized) struct NamesTests {
    struct Change: Decodable {
        let action: String
        let name: String
        let from: String?
        let operation: Int
    }

    static func json<Value: Decodable>(_ type: Value.Type, _ output: Output) throws -> Value {
        try JSONDecoder().decode(type, from: Data(output.standardOutput.utf8))
    }

    /// A raw disk of 2 MiB with some text in it.
    static func disk(_ home: TestHome, _ name: String, text: String = "some text on a disk") throws -> String {
        let path = "\(home.path)/\(name).raw"
        var bytes = Data(count: 2 << 20)
        bytes.replaceSubrange(100_000..<100_000 + text.utf8.count, with: Data(text.utf8))
        try bytes.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test func aVMIsCreatedShownRenamedRemovedAndBroughtBack() async throws {
        struct Details: Decodable {
            struct Disk: Decodable {
                let id: String
                let sizeBytes: UInt64
                let digest: String?
            }
            let disks: [Disk]
            let cloneOf: String?
            let commit: String
        }
        let home = try TestHome()
        let qcow2 = home.path + "/disk.qcow2"
        let raw = try Self.disk(home, "disk")
        let made = try await Tool.run("/usr/bin/qemu-img", ["convert", "-O", "qcow2", "-c", raw, qcow2])
        try #require(made.status == 0, "\(made.all)")

        try await home.stemma("vm", "create", "Mini", "--disk", qcow2, "--size", "20G", "--machine", "q35")
        try await home.stemma("vm", "create", "Raw", "--disk", raw, "--format", "raw")
        try await home.stemma("vm", "clone", "Mini", "Copy")
        let renamed = try await home.stemma("vm", "rename", "Mini", "Maxi", "--json")
        let change = try Self.json(Change.self, renamed)
        #expect(change.action == "renamed" && change.name == "Maxi" && change.from == "Mini")

        let details = try Self.json(Details.self, await home.stemma("vm", "show", "Maxi", "--json"))
        #expect(details.disks.map(\.id) == ["vda", "vdb"])
        #expect(details.disks.map(\.sizeBytes) == [2 << 20, 20 << 30])
        #expect(details.disks[1].digest == nil)
        // The same bytes from another format are the same tree.
        let other = try Self.json(Details.self, await home.stemma("vm", "show", "Raw", "--json"))
        #expect(other.disks.first?.digest == details.disks.first?.digest)
        #expect(try Self.json(Details.self, await home.stemma("vm", "show", "Copy", "--json")).cloneOf == "Maxi")

        let removed = try await home.stemma("vm", "remove", "Maxi")
        #expect(removed.standardError.contains("stemma undo 5"))
        try await home.stemma("vm", "show", "Maxi", expecting: 66)
        let dry = try await home.stemma("undo", "--dry-run")
        #expect(dry.standardOutput.contains("would undo 5: vm remove Maxi\n  + VM Maxi"))
        try await home.stemma("vm", "show", "Maxi", expecting: 66)
        try await home.stemma("undo")
        let back = try Self.json(Details.self, await home.stemma("vm", "show", "Maxi", "--json"))
        #expect(back.commit == details.commit)
        // Undo of undo is redo.
        try await home.stemma("undo")
        try await home.stemma("vm", "show", "Maxi", expecting: 66)
        let refused = try await home.stemma("undo", "1", expecting: 75)
        #expect(refused.standardError.contains("vm rename Mini Maxi"))
        try await home.stemma("undo", "99", expecting: 66)
        let list = try await home.stemma("undo", "--list")
        #expect(list.standardOutput.contains("undo 5 (vm remove Maxi)"))
        #expect(try await home.stemma("operation", "list").standardOutput == list.standardOutput)
        #expect(try await home.stemma("log", "--operations").standardOutput == list.standardOutput)
        try await home.stemma("store", "verify", "--deep")
    }

    @Test func wrongUseIsSaidSo() async throws {
        let home = try TestHome()
        let raw = try Self.disk(home, "disk")
        try await home.stemma("vm", "create", "Mini", "--size", "20X", expecting: 64)
        try await home.stemma("vm", "create", "a:b", "--size", "1G", expecting: 64)
        try await home.stemma("vm", "create", "Mini", "--size", "1000", expecting: 64)
        try await home.stemma("vm", "create", "Mini", "--disk", raw, "--format", "tar", expecting: 64)
        try await home.stemma("vm", "create", "Mini", "--disk", raw + ".gone", expecting: 66)
        try await home.stemma("vm", "create", "Mini", "--size", "1G", "--machine", "none-such", expecting: 64)
        try await home.stemma("vm", "create", "Mini", "--size", "1G")
        try await home.stemma("vm", "create", "Mini", "--size", "1G", expecting: 73)
        try await home.stemma("vm", "rename", "Mini", "Mini", expecting: 73)
        try await home.stemma("vm", "rename", "Other", "New", expecting: 66)
        try await home.stemma("vm", "disk", "add", "Mini", expecting: 64)
        try await home.stemma("vm", "disk", "add", "Mini", "--size", "1G", "--file", raw, expecting: 64)
        try await home.stemma("vm", "disk", "remove", "Mini", "vdz", expecting: 66)
        try await home.stemma("snapshot", "tag", "Mini", "x", expecting: 64)
        try await home.stemma("snapshot", "tag", "Mini:none", "x", expecting: 66)
        try await home.stemma("snapshot", "untag", "Mini:none", expecting: 64)
        try await home.stemma("log", "--kind", "nothing", expecting: 64)
        try await home.stemma("log", "--since", "whenever", expecting: 64)
        try await home.stemma("log", "--graph", "--reverse", expecting: 64)
        try await home.stemma("log", "--operations", "--graph", expecting: 64)
        try await home.stemma("undo", "--list", "3", expecting: 64)
        #expect(try await home.stemma("vm", "list").standardOutput == "Mini\n  Size: 1024.0MiB\n")
    }

    @Test func theLogIsFiltered() async throws {
        struct Entry: Decodable {
            let kind: String
            let names: [String]
        }
        let home = try TestHome()
        try await home.stemma("vm", "create", "A", "--size", "1G", "--message", "the first one")
        try await home.stemma("vm", "create", "B", "--size", "2G")
        try await home.stemma("vm", "clone", "A", "C")
        try await home.stemma("vm", "disk", "add", "C", "--size", "3G")
        func names(_ arguments: String...) async throws -> [String] {
            let output = try await Tool.run(
                Tool.stemma(), ["log", "--json"] + arguments, environment: ["STEMMA_HOME": home.path])
            return try Self.json([Entry].self, output).map { $0.names.first ?? $0.kind }
        }
        #expect(try await names() == ["C", "clone", "B", "A"])
        #expect(try await names("--reverse") == ["A", "B", "clone", "C"])
        #expect(try await names("--kind", "create,configure") == ["C", "B", "A"])
        #expect(try await names("--text", "FIRST") == ["A"])
        #expect(try await names("-n", "1") == ["C"])
        #expect(try await names("C") == ["C", "clone", "A"])
        #expect(try await names("--since", "1h").count == 4)
        #expect(try await names("--until", "2001-01-01") == [])
        let graph = try await home.stemma("log", "--graph", "--kind", "create,configure")
        #expect(graph.standardOutput.split(separator: "\n").count == 3)
    }

    @Test func anInterruptedCreationLeavesNothing() async throws {
        let home = try TestHome()
        let path = home.path + "/big.raw"
        // Noise, so that it takes a moment.
        let made = try await Tool.run(
            "/bin/sh", ["-c", "head -c 300000000 /dev/urandom > \(path) && truncate -s %512 \(path)"])
        try #require(made.status == 0)
        let run = try home.start("vm", "create", "Big", "--disk", path)
        try await run.waitForStandardError("reading")
        run.signal(SIGINT)
        let ended = await run.wait()
        #expect(ended.status == 130, "\(ended.all)")
        #expect(ended.standardError.contains("Interrupted"))
        #expect(try await home.stemma("vm", "list").standardOutput == "")
        try await home.stemma("store", "verify", "--deep")
        try await home.stemma("vm", "create", "Big", "--disk", path)
    }
}

/// Names in the shell: the binary is asked as the completion scripts ask it, and bash itself is.
@Suite(.serialized) struct CompletionTests {
    private func completions(_ home: TestHome, _ script: String) async throws -> [String] {
        let file = home.path + "/completion.bash"
        let generated = try await home.stemma("--generate-completion-script", "bash")
        try generated.standardOutput.write(toFile: file, atomically: true, encoding: .utf8)
        let stemma = URL(fileURLWithPath: try Tool.stemma()).deletingLastPathComponent().path
        let output = try await Tool.run(
            "/bin/bash",
            [
                "-c",
                """
                PATH="\(stemma):$PATH"; source "\(file)"
                complete_line() { COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
                    COMP_TYPE=9; COMP_KEY=9; COMPREPLY=(); _stemma stemma "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
                    printf '%s\\n' "${COMPREPLY[@]}"; }
                \(script)
                """,
            ], environment: ["STEMMA_HOME": home.path])
        #expect(output.status == 0, "\(output.all)")
        return output.standardOutput.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test func bashOffersTheNamesThatThereAre() async throws {
        let home = try TestHome()
        try await home.stemma("vm", "create", "Debian", "--size", "1G")
        try await home.stemma("vm", "create", "Delta", "--size", "1G")
        try await home.stemma("vm", "create", "Mini", "--size", "1G")
        #expect(try await completions(home, "complete_line stemma vm show De") == ["Debian", "Delta"])
        #expect(try await completions(home, "complete_line stemma vm rename Mi") == ["Mini"])
        #expect(try await completions(home, "complete_line stemma run D") == ["Debian", "Delta"])
    }

    @Test func aSnapshotIsOneWord() async throws {
        let home = try TestHome()
        try await StoppedMachine.importSnapshots(["booted", "base"], into: home)
        #expect(
            try await completions(home, "complete_line stemma snapshot show Mini:b") == ["Mini:base", "Mini:booted"])
        #expect(try await completions(home, "complete_line stemma snapshot tag Mini:base st") == ["stopped"])
        let breaks = try await completions(home, "printf '%s' \"$COMP_WORDBREAKS\"")
        #expect(!breaks.joined().contains(":"))
    }

    @Test func aHomeThatIsNotThereIsNotMade() async throws {
        let home = try TestHome()
        let gone = home.path + "/gone"
        let words = try await completions(home, "export STEMMA_HOME=\(gone); complete_line stemma vm show ''")
        #expect(words.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: gone))
    }
}
