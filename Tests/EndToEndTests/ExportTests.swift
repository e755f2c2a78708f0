import Foundation
import Testing

/// What `vm export` writes is read by QEMU's tools, by QEMU, and by `vm import`.
@Suite struct ExportTests {
    private let home: TestHome
    private let image: String

    init() async throws {
        home = try TestHome()
        image = home.path + "/source.qcow2"
        try await tool("qemu-img", "create", "-q", "-f", "qcow2", image, "24M")
        try await tool(
            "qemu-io", "-c", "write -P 0x21 0 3M", "-c", "write -P 0x43 10M 70000", "-c", "write -z 1M 64k", image)
    }

    @discardableResult
    private func tool(_ words: String...) async throws -> Output {
        let output = try await Tool.run("/usr/bin/env", words)
        try #require(output.status == 0, "\(words): \(output.all)")
        return output
    }

    @Test(arguments: [
        ["out.raw"], ["out.img"], ["out.qcow2"], ["out.qcow2", "--compression", "zlib:9"],
        ["out.qcow2", "--compression", "zstd"],
    ])
    func aFileIsTheSameDisk(_ arguments: [String]) async throws {
        try await home.stemma("vm", "create", "Box", "--disk", image)
        let path = home.path + "/" + arguments[0]
        let words = ["vm", "export", "Box", path] + arguments.dropFirst()
        let export = try await Tool.run(Tool.stemma(), words, environment: ["STEMMA_HOME": home.path])
        #expect(export.status == 0, "\(export.all)")
        try await tool("qemu-img", "compare", image, path)
        if path.hasSuffix("qcow2") { try await tool("qemu-img", "check", path) }
        // Nothing is overwritten unasked.
        let again = try await Tool.run(Tool.stemma(), words, environment: ["STEMMA_HOME": home.path])
        #expect(again.status == 73, "\(again.all)")
        let forced = try await Tool.run(Tool.stemma(), words + ["--force"], environment: ["STEMMA_HOME": home.path])
        #expect(forced.status == 0, "\(forced.all)")
    }

    @Test func severalDisksGoToADirectoryAndComeBack() async throws {
        try await home.stemma("vm", "create", "Box", "--disk", image, "--size", "5M", "--memory", "77")
        try await home.stemma("vm", "export", "Box", home.path + "/one.qcow2", expecting: 64)
        try await home.stemma("vm", "export", "Box", home.path + "/one.qcow2", "--disk", "vda")
        try await tool("qemu-img", "compare", image, home.path + "/one.qcow2")
        try await home.stemma("vm", "export", "Box", home.path + "/machine")
        try await home.stemma("vm", "import", home.path + "/machine", "--name", "Copy")
        let difference = try await home.stemma("diff", "Box", "Copy")
        #expect(difference.standardOutput.contains("do not differ"), "\(difference.all)")
        try await home.stemma("vm", "import", home.path, "--name", "Other", expecting: 66)
        try Data("{\"format\":9}".utf8).write(to: URL(fileURLWithPath: home.path + "/machine/machine.json"))
        try await home.stemma("vm", "import", home.path + "/machine", "--name", "Other", expecting: 65)
    }

    @Test func aSnapshotIsResumedByQEMUAndByStemma() async throws {
        let home = try await MiniGuest.shared.home()
        try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", "--save", "ready")
        let directory = home.path + "/mini"
        struct Report: Decodable { let command: String }
        let export = try await home.stemma("vm", "export", "Mini:ready", directory, "--compression", "zstd", "--json")
        let command = try JSONDecoder().decode(Report.self, from: Data(export.standardOutput.utf8)).command
        try await tool("qemu-img", "check", directory + "/disk0.qcow2")

        // The printed command, with the console in a file.
        let console = home.path + "/console"
        let batch = command.replacingOccurrences(
            of: "stdio,id=serial0,mux=on,signal=off", with: "file,id=serial0,path=\(console),mux=on")
        let qemu = try Tool.start("/bin/sh", ["-c", "exec " + batch])
        var text = ""
        for _ in 0..<1200 where !text.contains("tick 3") {
            try await Task.sleep(for: .milliseconds(100))
            text = (try? String(contentsOfFile: console, encoding: .utf8)) ?? ""
        }
        qemu.signal(SIGKILL)
        let ended = await qemu.wait()
        #expect(text.contains("tick 3"), "\(text) \(ended.all)")
        // It went on; it did not boot.
        #expect(!text.contains("READY"))

        // The guest wrote into its file, so the copy is exported anew.
        try await home.stemma("vm", "export", "Mini:ready", directory, "--force")
        try await home.stemma("vm", "import", directory, "--name", "Copy")
        let difference = try await home.stemma("diff", "Mini:ready", "Copy:ready")
        #expect(difference.standardOutput.contains("do not differ"), "\(difference.all)")
        try await home.stemma("run", "Copy:ready", "prep", "--headless", "--until", "tick 2")
    }
}
