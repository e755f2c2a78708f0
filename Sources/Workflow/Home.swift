/// Where Stemma keeps what belongs to one user.
///
/// | below the root | holds |
/// |---|---|
/// | `store` | the content store: every disk, RAM image and machine state, and the lineage |
/// | `runs` | a directory for each run of a VM: overlays, sockets, logs; gone when the run has ended in order |
/// | `writes` | what NBD clients wrote to the disks of a VM and is no version of it yet |
/// | `experiments` | a directory for each experiment: report and test cases |
/// | `cache` | what can be fetched or built again: Debian packages, what CPUs and guests were asked |
package struct Home: Sendable, Hashable {
    package let root: String

    package init(root: String) { self.root = root }

    package var store: String { root + "/store" }
    package var runs: String { root + "/runs" }
    package var writes: String { root + "/writes" }
    package var experiments: String { root + "/experiments" }
    package var cache: String { root + "/cache" }

    /// The directory of what was written to the disks of a VM.
    package func writes(_ vm: String) -> String { writes + "/" + vm }

    /// The directory of an experiment.
    package func experiment(_ name: String) -> String { experiments + "/" + name }
}
