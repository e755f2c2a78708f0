/// A parser of foreign bytes.
protocol FuzzTarget: SendableMetatype {
    /// As the command line names it.
    static var name: String { get }
    /// Inputs to start from, made by the code that writes the format.
    static func seeds() throws -> [[UInt8]]
    /// Feeds the parser. Errors are fine; a trap, a wrong result or an access out of bounds is a finding.
    static func run(_ bytes: UnsafeRawBufferPointer)
}

/// Every target.
let targets: [any FuzzTarget.Type] = [
    PackTarget.self, IndexTarget.self, NodeTarget.self, CommitTarget.self, StreamTarget.self, SaveTarget.self,
    PartitionTarget.self, Qcow2Target.self, NBDTarget.self, DescriptionTarget.self, PolicyTarget.self, CheckTarget.self,
    KernelSymbolsTarget.self, KernelTypesTarget.self,
]

/// Ends the process, so that libFuzzer keeps the input.
func finding(_ text: String) -> Never { fatalError(text) }
