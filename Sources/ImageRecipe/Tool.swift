import Foundation

/// A program of the building machine.
package struct Tool: Sendable {
    /// Its path, or its name, which is then looked up in `PATH` and in the directories of system programs, which `PATH`
    /// of users often lacks.
    package let name: String
    /// The Debian package to install when it is missing.
    package let package: String

    package init(name: String, package: String) {
        self.name = name
        self.package = package
    }

    static let aptCache = Tool(name: "apt-cache", package: "apt")
    static let aptGet = Tool(name: "apt-get", package: "apt")
    static let dpkgDeb = Tool(name: "dpkg-deb", package: "dpkg")
    static let sha256sum = Tool(name: "sha256sum", package: "coreutils")
    static let gcc = Tool(name: "gcc", package: "gcc")
    static let ldd = Tool(name: "ldd", package: "libc-bin")
    static let mke2fs = Tool(name: "mke2fs", package: "e2fsprogs")
    static let debugfs = Tool(name: "debugfs", package: "e2fsprogs")

    /// How a run ended and what it wrote.
    package struct Result: Sendable {
        /// The exit status, or minus the number of the signal that ended it.
        package let status: Int32
        package let output: String
        package let errors: String

        package init(status: Int32, output: String, errors: String) {
            self.status = status
            self.output = output
            self.errors = errors
        }
    }

    /// Runs the tool and waits for it.
    ///
    /// - Parameters:
    ///   - directory: where it runs; nil for the current directory.
    ///   - input: the path of the file that it reads; nil for none.
    ///   - scratch: a directory for its output.
    ///   - watch: receives each line of its error output while it runs; the tool is then ended when the task is
    ///     cancelled.
    /// - Throws: `toolFailed` when it is not installed or cannot be started. A status other than 0 is no error.
    package func run(
        _ arguments: [String], in directory: String? = nil, environment: [String: String] = [:],
        input: String? = nil, scratch: String, watch: ((String) -> Void)? = nil
    ) throws(RecipeError) -> Result {
        guard let path = find() else {
            throw RecipeError(
                .toolFailed, "The program '\(name)' is missing; install the package '\(package)' (apt-get install).")
        }
        // Files instead of pipes: a tool that writes much can never block on a full pipe.
        let stem = scratch + "/" + UUID().uuidString
        let (outputPath, errorPath) = (stem + ".out", stem + ".err")
        defer {
            unlink(outputPath)
            unlink(errorPath)
        }
        let merged = ProcessInfo.processInfo.environment
            .merging(["LC_ALL": "C"]) { $1 }.merging(environment) { $1 }
        let spawn = ToolProcess(
            path: path, arguments: [path] + arguments, environment: merged.map { "\($0.key)=\($0.value)" },
            directory: directory, input: input ?? "/dev/null", output: outputPath, errors: errorPath)
        let status: Int32
        let follower = watch.map { LineFollower(path: errorPath, line: $0) }
        switch spawn.run(meanwhile: follower.map { follower in { follower.poll() } }) {
        case .success(let value): status = value
        case .failure(let error):
            throw RecipeError(
                .toolFailed, "'\(path)' cannot be run; check that it is executable and that the disk is not full.",
                cause: error.text)
        }
        return Result(status: status, output: Self.text(outputPath), errors: Self.text(errorPath))
    }

    /// Runs the tool; any status other than 0 is an error of the given kind.
    @discardableResult
    func require(
        _ arguments: [String], in directory: String? = nil, environment: [String: String] = [:], scratch: String,
        code: RecipeError.Code = .toolFailed, _ message: @autoclosure () -> String,
        at place: RecipeError.Place? = nil
    ) throws(RecipeError) -> String {
        let result = try run(arguments, in: directory, environment: environment, scratch: scratch)
        guard result.status == 0 else {
            throw RecipeError(code, message(), at: place, cause: result.explanation(of: self))
        }
        return result.output
    }

    private func find() -> String? {
        if name.hasPrefix("/") { return FileManager.default.isExecutableFile(atPath: name) ? name : nil }
        let search = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (search + ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]).map { $0 + "/" + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    private static func text(_ path: String) -> String {
        String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data(), as: UTF8.self)
    }
}

extension Tool.Result {
    /// What the tool complained about: the end of its error output, or how it ended.
    func explanation(of tool: Tool) -> String {
        let lines = (errors.isEmpty ? output : errors).split(separator: "\n").suffix(20)
        if !lines.isEmpty { return lines.joined(separator: "\n") }
        return status < 0
            ? "\(tool.name) was ended by signal \(-status)." : "\(tool.name) exited with status \(status)."
    }
}
