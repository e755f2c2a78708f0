import Benchmarking

/// A program that keeps versions of files in a repository, with a user's usual commands.
struct Archiver {
    let name: String
    /// The repository's directory, below the scratch directory.
    let repository: String
    /// Makes the repository; nil where the first version does.
    let create: Program?
    /// Stores a file as a version of a name.
    let store: (_ file: String, _ version: String) -> Program
    /// Writes a version to `target`, as a path below the scratch directory.
    let restore: (_ file: String, _ version: String, _ target: String) -> RestoreCommand

    /// How a version comes back.
    struct RestoreCommand {
        let program: Program
        /// Where the file is afterwards.
        let result: String
    }

    static func all(_ bench: Workbench) -> [Archiver] { [restic(bench), borg(bench), casync(bench)] }

    static func restic(_ bench: Workbench) -> Archiver {
        let repository = bench.path("restic")
        let environment = ["RESTIC_PASSWORD": "benchmark", "XDG_CACHE_HOME": bench.path("restic-cache")]
        func restic(_ arguments: [String]) -> Program {
            bench.tool(.restic, ["-r", repository] + arguments, environment: environment)
        }
        return Archiver(
            name: "restic", repository: "restic", create: restic(["init"]),
            store: { file, version in restic(["backup", "--tag", version, file]) },
            restore: { file, version, target in
                RestoreCommand(
                    program: restic(["restore", "latest", "--tag", version, "--target", bench.path(target)]),
                    result: bench.path(target) + file)
            })
    }

    static func borg(_ bench: Workbench) -> Archiver {
        let repository = bench.path("borg")
        let environment = [
            "BORG_BASE_DIR": bench.path("borg-base"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        ]
        func borg(_ arguments: [String]) -> Program { bench.tool(.borg, arguments, environment: environment) }
        return Archiver(
            name: "borg", repository: "borg", create: borg(["init", "--encryption=none", repository]),
            store: { file, version in borg(["create", "-C", "lz4", repository + "::" + version, file]) },
            restore: { file, version, target in
                // borg extracts into the current directory.
                let command = borg(["extract", "--sparse", repository + "::" + version])
                let words = ["-c", "cd \"$0\" && exec \"$@\"", bench.path(target), command.path] + command.arguments
                return RestoreCommand(
                    program: Program(path: "/bin/sh", arguments: words, environment: environment),
                    result: bench.path(target) + file)
            })
    }

    static func casync(_ bench: Workbench) -> Archiver {
        let store = "--store=" + bench.path("casync/store.castr")
        return Archiver(
            name: "casync", repository: "casync", create: nil,
            store: { file, version in
                bench.tool(.casync, ["make", store, bench.path("casync/\(version).caibx"), file])
            },
            restore: { _, version, target in
                RestoreCommand(
                    program: bench.tool(
                        .casync,
                        ["extract", store, bench.path("casync/\(version).caibx"), bench.path(target) + "/disk"]),
                    result: bench.path(target) + "/disk")
            })
    }
}
