/// How names are spelled as refs of the store.
enum Ref {
    static func head(_ vm: Name) -> String { "vms/\(vm)/head" }
    static func snapshot(_ name: Name, of vm: Name) -> String { "vms/\(vm)/snapshots/\(name)" }
    static func experiment(_ name: Name) -> String { "experiments/\(name)" }
}
