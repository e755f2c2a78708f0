/// What a guest image consists of, as a YAML file says it. The format is described in <doc:ImageRecipe>.
package struct Recipe: Sendable, Hashable {
    /// A value and the line that it comes from, so that a build can say where a wrong one stands.
    package struct Located<Value: Sendable & Hashable>: Sendable, Hashable {
        package var value: Value
        package var place: RecipeError.Place

        package init(value: Value, place: RecipeError.Place) {
            self.value = value
            self.place = place
        }
    }

    /// The kernel that QEMU loads directly.
    package struct Kernel: Sendable, Hashable {
        /// A Debian package with a kernel, or one that depends on such a package.
        package var package: Located<String>
        package var commandLine: String
    }

    /// A program for the guest.
    package struct Program: Sendable, Hashable {
        package enum Origin: Sendable, Hashable {
            /// A C file relative to the recipe, and flags for the compiler.
            case compiled(source: String, flags: [String])
            /// A program of the building machine, as an absolute path.
            case host(String)
        }

        package var origin: Origin
        /// Absolute in the guest.
        package var path: String
        package var place: RecipeError.Place

        package init(origin: Origin, path: String, place: RecipeError.Place) {
            self.origin = origin
            self.path = path
            self.place = place
        }
    }

    /// A file, link or directory for the guest.
    package struct File: Sendable, Hashable {
        package enum Origin: Sendable, Hashable {
            case text(String)
            /// A file or directory of the building machine, relative to the recipe or absolute.
            case source(String)
            case link(target: String)
            case directory
        }

        package var origin: Origin
        /// Absolute in the guest.
        package var path: String
        /// Permission bits; nil for the default.
        package var mode: UInt32?
        package var place: RecipeError.Place
    }

    /// What goes into a file tree.
    package struct Content: Sendable, Hashable {
        /// Debian packages that are unpacked.
        package var packages: [Located<String>] = []
        package var programs: [Program] = []
        package var files: [File] = []

        package var isEmpty: Bool { packages.isEmpty && programs.isEmpty && files.isEmpty }
    }

    /// The file tree that the kernel unpacks into its root.
    package struct Initramfs: Sendable, Hashable {
        /// The text of `/init`.
        package var initScript: String
        /// Debian package that provides a static busybox.
        package var busybox: Located<String>?
        package var modules: [Located<String>]
        package var content: Content
    }

    /// A boot without a boot loader.
    package struct DirectBoot: Sendable, Hashable {
        package var kernel: Kernel
        package var initramfs: Initramfs
    }

    /// A raw disk.
    package struct Disk: Sendable, Hashable {
        package enum FileSystem: String, Sendable, Hashable, CaseIterable {
            case ext4
        }

        package var sizeMiB: Int
        package var fileSystem: FileSystem?
        package var label: String?
        /// The system that is installed on the disk; its content is placed over it.
        package var debian: Debian?
        package var content: Content
        package var place: RecipeError.Place
    }

    /// The path of the recipe, as it was given; paths in the recipe are relative to its directory.
    package var file: String
    package var name: String
    package var description: String
    /// QEMU's machine type, with its version.
    package var machine: String
    /// The default of QEMU's `-cpu`.
    package var cpu: String
    package var cpus: Int
    package var memoryMiB: Int
    /// What QEMU loads directly; nil for a machine that boots from its first disk.
    package var direct: DirectBoot?
    package var disks: [Disk]
}
