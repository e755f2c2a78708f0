import Yams

extension Recipe {
    /// A Debian system that is installed on a disk, with its own boot loader. The keys are described in <doc:ImageRecipe>.
    package struct Debian: Sendable, Hashable {
        /// What is installed before `packages`, as mmdebstrap names it.
        package enum Variant: String, Sendable, Hashable, CaseIterable {
            case essential, apt, minbase, important, standard
        }

        /// Somebody who can log in.
        package struct User: Sendable, Hashable {
            package var name: String
            package var password: String
        }

        /// The name of a release, for example `bookworm`.
        package var suite: Located<String>
        package var variant: Variant
        package var components: [String]
        /// The address of a mirror; nil for what apt is set up for.
        package var mirror: String?
        package var kernel: Located<String>
        /// Installed with what they depend on.
        package var packages: [Located<String>]
        package var hostName: String
        package var users: [User]
        package var commandLine: String
    }

    private static let debianKeys = [
        "suite", "variant", "components", "mirror", "kernel", "packages", "hostname", "users", "command-line",
    ]

    static func debian(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Debian {
        let map = try reader.mapping(node, "'debian'", known: debianKeys)
        let suiteNode = try map.required("suite")
        let suite = try reader.text(suiteNode, "'suite'")
        guard isName(suite, extra: "-") else {
            throw reader.invalid("'suite' must be the name of a Debian release, such as 'bookworm'.", at: suiteNode)
        }
        var debian = Debian(
            suite: Located(value: suite, place: reader.place(suiteNode)), variant: .important, components: ["main"],
            kernel: Located(value: "linux-image-amd64", place: reader.place(node)), packages: [], hostName: "debian",
            users: [], commandLine: "console=ttyS0")
        if let node = map["variant"] {
            let name = try reader.text(node, "'variant'")
            guard let variant = Debian.Variant(rawValue: name) else {
                let list = Debian.Variant.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
                throw reader.invalid("'variant' must be one of \(list).", at: node)
            }
            debian.variant = variant
        }
        if let node = map["components"] {
            debian.components = []
            for item in try reader.list(node, "'components'") {
                let name = try reader.text(item, "a component")
                guard isName(name, extra: "-") else { throw reader.invalid("'\(name)' is no component.", at: item) }
                debian.components.append(name)
            }
        }
        if let node = map["mirror"] {
            let mirror = try reader.text(node, "'mirror'")
            guard ["http://", "https://", "file://"].contains(where: { mirror.hasPrefix($0) }),
                !mirror.contains(where: { $0.isWhitespace })
            else { throw reader.invalid("'mirror' must be an address, such as 'http://deb.debian.org/debian'.", at: node) }
            debian.mirror = mirror
        }
        if let node = map["kernel"] { debian.kernel = try package(node, reader) }
        if let node = map["packages"] {
            for item in try reader.list(node, "'packages'") { debian.packages.append(try package(item, reader)) }
        }
        if let node = map["hostname"] {
            debian.hostName = try reader.text(node, "'hostname'")
            guard isName(debian.hostName, extra: "-.") else {
                throw reader.invalid("'hostname' must consist of small letters, digits, '-' and '.'.", at: node)
            }
        }
        if let node = map["users"] {
            for item in try reader.list(node, "'users'") { debian.users.append(try user(item, reader)) }
        }
        if let node = map["command-line"] { debian.commandLine = try commandLine(node, reader) }
        return debian
    }

    private static func user(_ node: Node, _ reader: RecipeReader) throws(RecipeError) -> Debian.User {
        let map = try reader.mapping(node, "a user", known: ["name", "password"])
        let name = try map.required("name")
        let user = Debian.User(
            name: try reader.text(name, "'name'"),
            password: try reader.text(try map.required("password"), "'password'"))
        guard isName(user.name, extra: "-_"), user.name.utf8.count <= 32 else {
            throw reader.invalid("'name' must consist of small letters, digits, '-' and '_'.", at: name)
        }
        guard !user.password.isEmpty, user.password.allSatisfy({ $0.isASCII && !$0.isNewline }) else {
            throw reader.invalid("'password' must be ASCII text of one line.", at: node)
        }
        return user
    }

    /// Small letters, digits and `extra`; a letter or digit first.
    private static func isName(_ text: String, extra: String) -> Bool {
        func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
            ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
        }
        guard let first = text.unicodeScalars.first, isAlphanumeric(first), text.utf8.count <= 63 else { return false }
        return text.unicodeScalars.allSatisfy { isAlphanumeric($0) || extra.unicodeScalars.contains($0) }
    }
}
