import Foundation
import Testing

/// Snapshots that were taken by QEMU alone, and explorations that do not come to their end.
@Suite(.serialized) struct ImportAndExploreTests {
    @Test func anInternalSnapshotOfAQcow2FileIsImportedWithItsDisk() async throws {
        let home = try await MiniGuest.shared.home()
        let image = home.path + "/image"
        try await home.stemma("image", "build", Tool.path("images/mini-linux.yaml"), "--output", image)
        let disk = home.path + "/disk.qcow2"
        let converted = try await Tool.run(
            "/usr/bin/qemu-img", ["convert", "-f", "raw", "-O", "qcow2", image + "/disk0.raw", disk])
        try #require(converted.status == 0, "\(converted.all)")

        // A person with QEMU: boots, looks at the console, types savevm and quit.
        let script = """
            set -eu
            console="\(home.path)/console"
            mkfifo "\(home.path)/monitor"
            qemu-system-x86_64 -machine pc-i440fx-7.2,accel=tcg -cpu qemu64 -m 128 -nodefaults -no-user-config \
                -display none -vga none -serial file:"$console" -monitor stdio \
                -kernel "\(image)/kernel" -initrd "\(image)/initrd" \
                -append "$(jq -r .commandLine "\(image)/image.json")" \
                -blockdev driver=file,filename="\(disk)",node-name=file0 -blockdev driver=qcow2,file=file0,node-name=disk0 \
                -device virtio-blk-pci,drive=disk0,id=virtio-disk0,addr=0x4 <"\(home.path)/monitor" >/dev/null &
            exec 3>"\(home.path)/monitor"
            for _ in $(seq 600); do grep -q 'tick 1' "$console" 2>/dev/null && break; sleep 0.2; done
            echo 'savevm by-qemu' >&3
            echo quit >&3
            wait
            """
        let saved = try await Tool.run("/bin/bash", ["-c", script])
        try #require(saved.status == 0, "\(saved.all)")

        try await home.stemma("snapshot", "import", disk, "--vm", "Mini", "--name", "q", expecting: 64)
        try await home.stemma(
            "snapshot", "import", disk, "--from-snapshot", "none", "--vm", "Mini", "--name", "q", expecting: 66)
        try await home.stemma("snapshot", "import", disk, "--from-snapshot", "by-qemu", "--vm", "Mini", "--name", "q")
        try await home.stemma("check", "Mini:q")
        let resumed = try await home.stemma("run", "Mini:q", "prep", "--headless", "--until", "tick ")
        #expect(!resumed.standardOutput.contains("tick 0"))
    }

    @Test func anInterruptedExplorationKeepsWhatItFound() async throws {
        let home = try TestHome()
        try await home.stemma("image", "build", Tool.path("Tests/guests/endless.yaml"), "--name", "Endless")
        try await home.stemma("run", "Endless", "prep", "--headless", "--until", "READY", "--save", "prepared")
        let run = try home.start("run", "Endless:prepared", "sym", "--expname", "Long", "--timeout", "300")
        try await run.waitForStandardError("exploring")
        try await Task.sleep(for: .seconds(1))
        run.signal(SIGINT)
        let ended = await run.wait()
        #expect(ended.status == 0, "\(ended.all)")
        #expect(ended.standardError.contains("interrupted; keeping what was found"))
        let shown = try await home.stemma("experiment", "show", "Long").standardOutput
        #expect(shown.contains("stopped: cancelled"))
    }

    @Test func anExplorationThatMeetsALimitKeepsWhatItFound() async throws {
        let home = try await MiniGuest.shared.home()
        try await home.stemma("run", "Mini", "prep", "--headless", "--until", "READY", "--save", "prepared")
        let limited = try await home.stemma(
            "run", "Mini:prepared", "sym", "--expname", "Short", "--max-paths", "3", "--search", "bfs")
        #expect(limited.standardOutput.contains("stopped: path-limit"))
        let shown = try await home.stemma("experiment", "show", "Short")
        #expect(shown.standardOutput.contains("unfinished"))
        try await home.stemma("run", "Mini:prepared", "sym", "--expname", "Short", expecting: 73)
        #expect(try await home.stemma("experiment", "list").standardOutput.contains("Short"))
    }
}
