import Foundation
import Testing

/// A person at a terminal: `stemma run VM prep` in a pseudo-terminal, with keys typed into it.
@Suite(.serialized) struct InteractiveTests {
    @Test func whatAPersonSavesInTheMonitorIsInTheStore() async throws {
        let home = try await MiniGuest.shared.home()
        let session = "stemma-test-\(UUID().uuidString.prefix(8))"
        func tmux(_ arguments: String...) async throws -> Output {
            try await Tool.run("/usr/bin/tmux", ["-L", session] + arguments)
        }
        func waitForScreen(_ text: String, at place: SourceLocation = #_sourceLocation) async throws {
            var screen = ""
            for _ in 0..<600 {
                screen = try await tmux("capture-pane", "-p", "-S", "-200").standardOutput
                if screen.contains(text) { return }
                try await Task.sleep(for: .milliseconds(200))
            }
            Issue.record("'\(text)' did not appear on the screen:\n\(screen)", sourceLocation: place)
        }
        let command = "STEMMA_HOME=\(home.path) \(try Tool.stemma()) run Mini prep; echo ended with $?"
        _ = try await tmux("new-session", "-d", "-x", "120", "-y", "40", "/bin/bash")
        _ = try await tmux("send-keys", command, "Enter")
        try await waitForScreen("READY")
        try await waitForScreen("tick 1")
        _ = try await tmux("send-keys", "C-a", "c")
        try await waitForScreen("(qemu)")
        _ = try await tmux("send-keys", "savevm by-hand", "Enter")
        // Stored while the guest runs on, so that another terminal sees it at once.
        for _ in 0..<600 where try await !home.snapshots(of: "Mini").contains("by-hand") {
            try await Task.sleep(for: .milliseconds(200))
        }
        _ = try await tmux("send-keys", "quit", "Enter")
        try await waitForScreen("ended with 0")
        _ = try await tmux("kill-server")
        #expect(try await home.snapshots(of: "Mini") == ["by-hand"])
        try await home.stemma("run", "Mini:by-hand", "prep", "--headless", "--until", "tick")
    }
}
