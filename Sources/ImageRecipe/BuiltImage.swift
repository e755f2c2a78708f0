import Foundation

/// A guest image on disk: the files for QEMU and what its command line has to say.
///
/// Stored as `image.json` in the image's directory; the format is described in <doc:ImageRecipe>.
package struct BuiltImage: Sendable, Hashable, Codable {
    /// A raw disk of the image.
    package struct Disk: Sendable, Hashable, Codable {
        /// File name in the image's directory.
        package var file: String
        package var sizeBytes: Int
        /// `ext4`, or nil for a disk of zeros.
        package var fileSystem: String?
    }

    /// A Debian package that the image is made of.
    package struct Package: Sendable, Hashable, Codable {
        package var name: String
        package var version: String
        package var architecture: String
        /// SHA-256 of the `.deb` file, in hexadecimal; nil when only the installed system is known.
        package var sha256: String?
    }

    /// Where the image comes from.
    package struct Provenance: Sendable, Hashable, Codable {
        /// The recipe's file name.
        package var recipe: String
        package var packages: [Package]
        /// The first line of `gcc --version`, when something was compiled.
        package var compiler: String?
    }

    /// Version of this format: 1.
    package var format: Int
    package var name: String
    package var description: String
    /// QEMU's machine type, with its version.
    package var machine: String
    /// The default of QEMU's `-cpu`.
    package var cpu: String
    package var cpus: Int
    package var memoryMiB: Int
    /// File name in the image's directory; nil, as the next two, when the machine boots from its first disk.
    package var kernel: String?
    /// File name in the image's directory.
    package var initrd: String?
    /// The kernel's command line (`-append`).
    package var commandLine: String?
    package var disks: [Disk]
    package var provenance: Provenance

    /// The directory that holds the files; not part of `image.json`.
    package var directory: String = ""

    private enum CodingKeys: String, CodingKey {
        case format, name, description, machine, cpu, cpus, memoryMiB, kernel, initrd, commandLine, disks, provenance
    }

    package var kernelPath: String? { kernel.map { directory + "/" + $0 } }
    package var initrdPath: String? { initrd.map { directory + "/" + $0 } }
    package var diskPaths: [String] { disks.map { directory + "/" + $0.file } }

    /// The name of the file that holds this value.
    package static let fileName = "image.json"

    /// Reads `image.json` of an image's directory.
    ///
    /// - Throws: `unreadable` when it is missing or no image of a known format.
    package init(directory: String) throws(RecipeError) {
        let path = directory + "/" + Self.fileName
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw RecipeError(
                .unreadable, "'\(path)' is not the description of an image; build the image again.",
                cause: String(describing: error))
        }
        guard format == 1 else {
            throw RecipeError(
                .unreadable,
                "'\(path)' has format \(format), but this version reads format 1; build the image again.")
        }
        self.directory = directory
    }

    init(recipe: Recipe, disks: [Disk], provenance: Provenance, directory: String) {
        format = 1
        name = recipe.name
        description = recipe.description
        machine = recipe.machine
        cpu = recipe.cpu
        cpus = recipe.cpus
        memoryMiB = recipe.memoryMiB
        kernel = recipe.direct.map { _ in "kernel" }
        initrd = recipe.direct.map { _ in "initrd" }
        commandLine = recipe.direct?.kernel.commandLine
        self.disks = disks
        self.provenance = provenance
        self.directory = directory
    }

    /// The bytes of `image.json`: sorted keys, so that equal images have equal files.
    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
