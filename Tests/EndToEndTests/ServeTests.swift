import Foundation
import Testing

/// Disks over NBD, read and written by QEMU's tools.
@Suite struct ServeTests {
    private let home: TestHome

    init() throws { home = try TestHome() }

    /// Serves a VM and waits for the address of its disk.
    private func serve(_ arguments: String...) async throws -> (program: RunningProgram, uri: String) {
        let program = try Tool.start(
            Tool.stemma(), ["vm", "serve"] + arguments, environment: ["STEMMA_HOME": home.path])
        try await program.waitForStandardError("serving")
        let uri = try #require(program.standardOutput.split(separator: "\n").first)
        return (program, String(uri))
    }

    @discardableResult
    private func qemuIO(_ uri: String, _ commands: String..., readOnly: Bool = false) async throws -> Output {
        let arguments = ["qemu-io", "-f", "raw"] + (readOnly ? ["-r"] : []) + commands.flatMap { ["-c", $0] } + [uri]
        return try await Tool.run("/usr/bin/env", arguments)
    }

    private func versions(of vm: String) async throws -> Int {
        struct Entry: Decodable { let kind: String }
        let log = try await home.stemma("log", vm, "--json")
        return try JSONDecoder().decode([Entry].self, from: Data(log.standardOutput.utf8)).count { $0.kind == "write" }
    }

    @Test func whatAClientWritesBecomesAVersion() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "64M")
        try await home.stemma("vm", "clone", "Box", "Before")
        let (server, uri) = try await serve("Box", "--writable")
        let write = try await qemuIO(uri, "write -P 0x5a 1M 128k", "write -P 1 40M 4k", "write -z 41M 1M", "flush")
        #expect(write.status == 0, "\(write.all)")
        let commit = try await home.stemma("vm", "commit", "Box", "-m", "written")
        #expect(commit.standardOutput.contains("new version"))

        // The client goes on, on top of the version.
        let more = try await qemuIO(uri, "read -P 0x5a 1M 128k", "read -P 1 40M 4k", "write -P 7 1M 512", "flush")
        #expect(more.status == 0 && !more.standardOutput.contains("Pattern verification failed"), "\(more.all)")
        server.signal(SIGINT)
        let end = await server.wait()
        #expect(end.status == 0 && end.standardError.contains("vm commit"), "\(end.all)")

        // What was flushed is there without the server too.
        try await home.stemma("vm", "commit", "Box", "-m", "more")
        try await home.stemma("vm", "commit", "Box", expecting: 66)
        #expect(try await versions(of: "Box") == 2)
        let (reader, readURI) = try await serve("Box")
        let read = try await qemuIO(
            readURI, "read -P 7 1M 512", "read -P 0x5a 1049088 512", "read -P 1 40M 4k", "read -P 0 2M 1M",
            readOnly: true)
        #expect(read.status == 0 && !read.standardOutput.contains("Pattern verification failed"), "\(read.all)")
        reader.signal(SIGTERM)
        _ = await reader.wait()
        // The clone has nothing of it.
        let (old, oldURI) = try await serve("Before")
        let zero = try await qemuIO(oldURI, "read -P 0 0 64M", readOnly: true)
        #expect(!zero.standardOutput.contains("Pattern verification failed"), "\(zero.all)")
        old.signal(SIGTERM)
        _ = await old.wait()
    }

    @Test func aKilledServerLosesNothingThatWasFlushed() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "16M")
        let (server, uri) = try await serve("Box", "--writable")
        try await qemuIO(uri, "write -P 9 64k 64k", "flush")
        server.signal(SIGKILL)
        _ = await server.wait()
        let commit = try await home.stemma("vm", "commit", "Box")
        #expect(commit.standardOutput.contains("64.0 KiB written"), "\(commit.all)")
    }

    /// Sessions that write and do not commit, more than an overlay has layers.
    @Test func writesOfManySessionsBecomeAVersion() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "16M")
        for session in 0..<18 {
            let (server, uri) = try await serve("Box", "--writable")
            let write = try await qemuIO(uri, "write -P \(session + 1) \(session * 4)k 4k")
            #expect(write.status == 0, "\(write.all)")
            server.signal(SIGINT)
            let end = await server.wait()
            #expect(end.status == 0 && end.standardError.contains("vm commit"), "session \(session): \(end.all)")
        }
        let commit = try await home.stemma("vm", "commit", "Box")
        #expect(commit.standardOutput.contains("72.0 KiB written"), "\(commit.all)")
        let (reader, uri) = try await serve("Box")
        let read = try await qemuIO(uri, "read -P 1 0 4k", "read -P 18 68k 4k", "read -P 0 72k 4k", readOnly: true)
        #expect(read.status == 0 && !read.standardOutput.contains("failed"), "\(read.all)")
        reader.signal(SIGTERM)
        _ = await reader.wait()
    }

    /// The server dies when the disk lies on the new version, and the directory does not say so yet.
    @Test func aServerKilledDuringACommitLosesNothing() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "16M")
        let (server, uri) = try await serve("Box", "--writable")
        try await qemuIO(uri, "write -P 9 64k 64k", "flush")
        let origin = URL(fileURLWithPath: home.path + "/writes/Box/origin")
        let before = try Data(contentsOf: origin)
        try await home.stemma("vm", "commit", "Box")
        let after = try Data(contentsOf: origin)
        #expect(before != after)
        try await qemuIO(uri, "write -P 8 1M 4k", "flush")
        server.signal(SIGKILL)
        _ = await server.wait()
        for left in [before, before + after] {
            try left.write(to: origin)
            let (next, uri) = try await serve("Box", "--writable")
            let read = try await qemuIO(uri, "read -P 9 64k 64k", "read -P 8 1M 4k", "read -P 0 2M 4k")
            #expect(read.status == 0 && !read.standardOutput.contains("failed"), "\(read.all)")
            next.signal(SIGINT)
            #expect(await next.wait().status == 0)
        }
        let commit = try await home.stemma("vm", "commit", "Box")
        #expect(commit.standardOutput.contains("4.00 KiB written"), "\(commit.all)")
        #expect(try await versions(of: "Box") == 2)
    }

    @Test func aReadOnlyServerRefusesWrites() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "16M")
        let (server, uri) = try await serve("Box")
        let write = try await qemuIO(uri, "write -P 9 64k 64k")
        #expect(write.status != 0 || write.all.contains("read only"), "\(write.all)")
        server.signal(SIGTERM)
        _ = await server.wait()
        try await home.stemma("vm", "serve", "Box:none", "--writable", expecting: 64)
        try await home.stemma("vm", "serve", "Box", "--disk", "sda", expecting: 66)
    }

    @Test func writesToAnOldVersionBecomeAVMOfTheirOwn() async throws {
        try await home.stemma("vm", "create", "Box", "--size", "16M")
        let (server, uri) = try await serve("Box", "--writable")
        try await qemuIO(uri, "write -P 3 0 4k", "flush")
        server.signal(SIGINT)
        _ = await server.wait()
        // The VM gets another head meanwhile.
        try await home.stemma("vm", "disk", "add", "Box", "--size", "1M")
        try await home.stemma("vm", "commit", "Box", expecting: 75)
        try await home.stemma("vm", "commit", "Box", "--as", "Rescued")
        try await home.stemma("vm", "discard", "Box")
        try await home.stemma("vm", "discard", "Box", expecting: 66)
        let (reader, readURI) = try await serve("Rescued")
        let read = try await qemuIO(readURI, "read -P 3 0 4k", readOnly: true)
        #expect(read.status == 0 && !read.standardOutput.contains("failed"), "\(read.all)")
        reader.signal(SIGTERM)
        _ = await reader.wait()
    }
}
