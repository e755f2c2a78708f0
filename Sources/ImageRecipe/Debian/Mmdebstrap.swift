import Foundation

/// The command line of mmdebstrap for a Debian system of a recipe.
///
/// mmdebstrap chooses how it gets along without root: a user namespace where the kernel allows one, else `fakechroot`.
/// Its result is a tar archive, which holds owners and attributes whatever way was chosen.
package struct Mmdebstrap: Sendable {
    package let debian: Recipe.Debian
    /// Where the packages are kept between builds; a directory that exists.
    package let packageDirectory: String
    /// Lines for `sources.list`; empty for mmdebstrap's default.
    package let sources: [String]
    /// What salts of passwords are derived from.
    package let identity: String

    package init(debian: Recipe.Debian, packageDirectory: String, sources: [String], identity: String) {
        self.debian = debian
        self.packageDirectory = packageDirectory
        self.sources = sources
        self.identity = identity
    }

    static let tool = Tool(name: "mmdebstrap", package: "mmdebstrap")
    /// Where GRUB's images are in the system, as `grub-install` places them.
    static let grubDirectory = "/boot/grub/i386-pc"
    /// What GRUB needs before it can read a file: the disk, the partition table, the file system, and the commands of
    /// `grub.cfg`.
    private static let grubModules = [
        "biosdisk", "part_msdos", "ext2", "normal", "configfile", "linux", "serial", "terminal", "echo", "test",
        "search", "reboot", "halt",
    ]

    /// Installed whatever the recipe says: the kernel, GRUB, and what sets passwords.
    package var packages: [String] {
        [debian.kernel.value, "grub-pc-bin", "grub2-common", "passwd"] + debian.packages.map(\.value)
    }

    /// - Parameter output: the archive.
    package func arguments(output: String) -> [String] {
        let archives = "/var/cache/apt/archives/"
        var list = [
            "--mode=auto", "--format=tar", "--architectures=amd64", "--variant=\(debian.variant.rawValue)",
            "--components=" + debian.components.joined(separator: ","),
            "--include=" + packages.joined(separator: ","),
            // Packages of earlier builds go in, and all that were used come out.
            "--skip=download/empty", "--skip=essential/unlink",
            "--setup-hook=mkdir -p \"$1\"" + archives,
            "--setup-hook=sync-in \(Self.quoted(packageDirectory)) \(archives)",
            "--customize-hook=sync-out \(archives) \(Self.quoted(packageDirectory))",
        ]
        list += (debian.users.flatMap(userHooks) + grubHooks).map { "--customize-hook=" + $0 }
        return list + [debian.suite.value, output] + sources
    }

    private func userHooks(_ user: Recipe.Debian.User) -> [String] {
        var hooks: [String] = []
        if user.name != "root" {
            hooks.append("chroot \"$1\" useradd --create-home --shell /bin/bash \(Self.quoted(user.name))")
        }
        // The salt is fixed, so that equal recipes give equal disks. perl-base is part of every Debian.
        let salt = Ext4Image.uuid(of: identity + "/" + user.name).filter { $0 != "-" }.prefix(16)
        hooks.append(
            "chroot \"$1\" usermod --password \"$(chroot \"$1\" perl -e 'print crypt($ARGV[0], $ARGV[1])' "
                + "\(Self.quoted(user.password)) '$6$\(salt)$')\" \(Self.quoted(user.name))")
        return hooks
    }

    private var grubHooks: [String] {
        let (directory, modules) = (Self.grubDirectory, Self.grubModules.joined(separator: " "))
        return [
            "chroot \"$1\" mkdir -p \(directory)",
            "chroot \"$1\" cp /usr/lib/grub/i386-pc/boot.img \(directory)/boot.img",
            "chroot \"$1\" grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o \(directory)/core.img \(modules)",
        ]
    }

    /// A word for a shell.
    package static func quoted(_ text: String) -> String {
        "'" + text.replacing("'", with: "'\\''") + "'"
    }

    /// Where packages of a suite come from, on this machine.
    struct Sources {
        /// Lines for `sources.list`; empty when apt has none for the suite, and mmdebstrap's default is taken.
        var lines: [String] = []
        /// When the newest of apt's package lists of the suite was made, in seconds since 1970.
        var time: Int64?
    }

    /// The sources that this machine has for a suite, its updates and security.
    static func configuredSources(for debian: Recipe.Debian, scratch: String) throws(RecipeError) -> Sources {
        if let mirror = debian.mirror { return Sources(lines: [line(mirror, debian.suite.value, debian.components)]) }
        let result = try Tool.aptGet.run(
            ["indextargets", "--format", "$(RELEASE) $(REPO_URI) $(FILENAME)", "Created-By: Packages"], scratch: scratch)
        guard result.status == 0 else { return Sources() }
        var sources = Sources()
        let suites = ["", "-updates", "-security"].map { debian.suite.value + $0 }
        for target in result.output.split(separator: "\n") {
            let words = target.split(separator: " ").map(String.init)
            guard words.count == 3, suites.contains(words[0]) else { continue }
            let line = line(words[1], words[0], debian.components)
            if !sources.lines.contains(line) { sources.lines.append(line) }
            // apt gives its lists the time that the mirror tells.
            let attributes = try? FileManager.default.attributesOfItem(atPath: words[2])
            if let date = attributes?[.modificationDate] as? Date {
                sources.time = max(sources.time ?? 0, Int64(date.timeIntervalSince1970))
            }
        }
        // Updates alone are no system.
        return sources.lines.contains { $0.contains(" \(debian.suite.value) ") } ? sources : Sources()
    }

    private static func line(_ mirror: String, _ suite: String, _ components: [String]) -> String {
        let keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        let option = FileManager.default.fileExists(atPath: keys) ? "[signed-by=\(keys)] " : ""
        return "deb \(option)\(mirror) \(suite) \(components.joined(separator: " "))"
    }

    /// What went wrong, from what mmdebstrap and apt said.
    package func failure(_ result: Tool.Result) -> RecipeError {
        let cause = result.explanation(of: Self.tool)
        let text = result.errors
        let prefix = "Unable to locate package "
        if let line = text.split(separator: "\n").first(where: { $0.contains(prefix) }),
            let name = line.split(separator: " ").last.map(String.init)
        {
            let known = [debian.kernel] + debian.packages
            let place = known.first { $0.value == name }?.place ?? debian.suite.place
            return RecipeError(
                .unknownPackage, "Debian '\(debian.suite.value)' has no package '\(name)'; check the name.", at: place)
        }
        let signs = [
            "Could not resolve", "Temporary failure resolving", "Could not connect", "Failed to fetch",
            "Unable to connect", "Connection failed", "Unable to fetch",
        ]
        if signs.contains(where: { text.contains($0) }) {
            return RecipeError(
                .downloadFailed,
                "The packages of Debian '\(debian.suite.value)' cannot be downloaded; check the network and the mirror "
                    + "(apt's sources, or 'mirror' in the recipe).", at: debian.suite.place, cause: cause)
        }
        return RecipeError(
            .toolFailed,
            "mmdebstrap cannot make the system. Without root it needs user namespaces (package 'uidmap', and a line for "
                + "you in /etc/subuid and /etc/subgid) or the package 'fakechroot'.", at: debian.suite.place,
            cause: cause)
    }
}
