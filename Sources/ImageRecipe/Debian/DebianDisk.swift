import Foundation

/// Makes a disk that boots a Debian system: GRUB, one partition, ext4.
struct DebianDisk {
    let disk: Recipe.Disk
    let debian: Recipe.Debian
    /// The text that UUIDs and salts are derived from.
    let identity: String
    /// The directory that keeps downloaded packages.
    let packageDirectory: String
    let scratch: String
    let progress: @Sendable (String) -> Void

    /// Builds the disk at `path`.
    ///
    /// - Parameter content: what the recipe places over the system.
    /// - Returns: the packages of the system, by `dpkg`'s own list.
    func write(_ content: FileTree, to path: String) throws(RecipeError) -> [BuiltImage.Package] {
        let archivePath = scratch + "/system-\(UUID().uuidString).tar"
        defer { unlink(archivePath) }
        let sources = try Mmdebstrap.configuredSources(for: debian, scratch: scratch)
        let time = Self.time(sources)
        try install(into: archivePath, from: sources, time: time)
        progress("reading the system")
        var system = RootFileSystem(try TarArchive(path: archivePath))
        let uuid = Ext4Image.uuid(of: identity)
        try system.place(settings(uuid: uuid, of: system))
        try system.place(content)

        let start = BootSector.partitionStart * BootSector.sectorSize
        let size = disk.sizeMiB << 20
        let boot = try BootSector.make(
            boot: system.read(Mmdebstrap.grubDirectory + "/boot.img", limit: 4096),
            core: system.read(Mmdebstrap.grubDirectory + "/core.img", limit: 1 << 20),
            diskSectors: size / BootSector.sectorSize, signature: UInt32(uuid.prefix(8), radix: 16) ?? 0)
        progress("writing the disk (\(disk.sizeMiB) MiB)")
        try makeFileSystem(at: path, offset: start, uuid: uuid, time: time)
        var fileSystem = try Ext4FileSystem.open(path: path, offset: UInt64(start), time: time)
        do throws(RecipeError) {
            try system.write(to: &fileSystem, time: time)
        } catch {
            throw RecipeError(error.code, error.message, at: error.place ?? disk.place, cause: error.cause)
        }
        try fileSystem.close()
        do {
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            defer { try? file.close() }
            try file.write(contentsOf: boot)
        } catch {
            throw RecipeError(
                .cannotWrite, "The disk '\(path)' cannot be written; check the free space.",
                cause: error.localizedDescription)
        }
        return Self.packages(try system.read("/var/lib/dpkg/status", limit: 64 << 20))
    }

    /// The time of everything that was made later or has no time of its own, in seconds since 1970.
    ///
    /// `SOURCE_DATE_EPOCH`, as reproducible builds define it, else the time of apt's package lists, else 2026-01-01.
    private static func time(_ sources: Mmdebstrap.Sources) -> Int64 {
        let given = ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"].flatMap { Int64($0) }
        return given ?? sources.time ?? 1_767_225_600
    }

    private func install(
        into archive: String, from sources: Mmdebstrap.Sources, time: Int64
    ) throws(RecipeError) {
        do {
            try FileManager.default.createDirectory(atPath: packageDirectory, withIntermediateDirectories: true)
        } catch {
            throw RecipeError(
                .cannotWrite, "'\(packageDirectory)' cannot be made; check the permissions.",
                cause: error.localizedDescription)
        }
        let command = Mmdebstrap(
            debian: debian, packageDirectory: packageDirectory, sources: sources.lines, identity: identity)
        progress("installing Debian '\(debian.suite.value)' (\(command.packages.count) packages and what they need)")
        let progress = progress
        let result = try Mmdebstrap.tool.run(
            command.arguments(output: archive), environment: ["SOURCE_DATE_EPOCH": "\(time)"], scratch: scratch
        ) { line in
            // mmdebstrap's own steps; what the programs under it say stays for the error message.
            guard line.hasPrefix("I: ") else { return }
            let step = String(line.dropFirst(3))
            if !["running ", "success", "skipping ", "automatically"].contains(where: { step.hasPrefix($0) }) {
                progress("mmdebstrap: " + step)
            }
        }
        if Task.isCancelled { throw RecipeError(.cancelled, "The build was cancelled.") }
        guard result.status == 0 else { throw command.failure(result) }
    }

    /// What makes the installed packages a system of its own.
    private func settings(uuid: String, of system: RootFileSystem) throws(RecipeError) -> FileTree {
        let suite = debian.suite.value
        let components = debian.components.joined(separator: " ")
        let mirror = debian.mirror ?? "http://deb.debian.org/debian"
        var sources = "deb \(mirror) \(suite) \(components)\n"
        if debian.mirror == nil, suite != "sid", suite != "unstable" {
            sources += "deb \(mirror) \(suite)-updates \(components)\n"
            sources += "deb http://deb.debian.org/debian-security \(suite)-security \(components)\n"
        }
        // Debian keeps /vmlinuz and /initrd.img pointing at its newest kernel.
        let grub = """
            serial --unit=0 --speed=115200
            terminal_input serial
            terminal_output serial
            set timeout=0
            menuentry 'Debian' {
                linux /vmlinuz root=UUID=\(uuid) ro \(debian.commandLine)
                initrd /initrd.img
            }

            """
        var texts = [
            "/boot/grub/grub.cfg": grub,
            "/etc/apt/sources.list": sources,
            "/etc/fstab": "UUID=\(uuid) / ext4 errors=remount-ro 0 1\n",
            "/etc/hostname": debian.hostName + "\n",
            "/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 \(debian.hostName)\n::1 localhost ip6-localhost\n",
        ]
        // The building machine's resolver, which mmdebstrap copied, is none of the guest's business.
        if system.isFile("/etc/resolv.conf") { texts["/etc/resolv.conf"] = "" }
        var tree = FileTree()
        for (path, text) in texts { try tree.insert(.file(mode: 0o644, .bytes(Array(text.utf8))), at: path) }
        return tree
    }

    private func makeFileSystem(at path: String, offset: Int, uuid: String, time: Int64) throws(RecipeError) {
        guard FileManager.default.createFile(atPath: path, contents: nil), truncate(path, disk.sizeMiB << 20) == 0
        else {
            throw RecipeError(
                .cannotWrite, "The disk '\(path)' cannot be made; check the free space.",
                cause: String(cString: strerror(errno)))
        }
        // GRUB reads neither of the two features that are switched off.
        var arguments = ["-q", "-F", "-t", "ext4", "-m", "1", "-O", "^metadata_csum_seed,^orphan_file", "-U", uuid]
        arguments += ["-E", "offset=\(offset),root_owner=0:0,hash_seed=\(uuid),lazy_itable_init=0,lazy_journal_init=0"]
        if let label = disk.label { arguments += ["-L", label] }
        try Tool.mke2fs.require(
            arguments + [path, "\((disk.sizeMiB << 10) - offset >> 10)k"],
            environment: ["E2FSPROGS_FAKE_TIME": "\(time)"], scratch: scratch, code: .contentRefused,
            "The file system of \(disk.sizeMiB) MiB cannot be made.", at: disk.place)
    }

    /// The installed packages of dpkg's status file.
    private static func packages(_ status: [UInt8]) -> [BuiltImage.Package] {
        String(decoding: status, as: UTF8.self).split(separator: "\n\n").compactMap { paragraph in
            var fields: [Substring: Substring] = [:]
            for line in paragraph.split(separator: "\n") where line.first != " " {
                guard let colon = line.firstIndex(of: ":") else { continue }
                fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == " " }
            }
            guard let name = fields["Package"], let version = fields["Version"],
                let architecture = fields["Architecture"]
            else { return nil }
            return BuiltImage.Package(
                name: String(name), version: String(version), architecture: String(architecture), sha256: nil)
        }
    }
}
