/// One point of the history: trees and blobs that belong together, and what they came from.
///
/// The store gives no meaning to the kind, the names or the attributes.
package struct Commit: Codable, Hashable, Sendable {
    /// What sort of step made it, such as `image` or `snapshot`.
    package var kind: String
    /// The commits it came from, the first one foremost.
    package var parents: [Digest]
    /// Disks and RAM images by name.
    package var trees: [String: TreeRoot]
    /// Other bytes by name, such as device sections or a kernel.
    package var blobs: [String: Digest]
    /// Short texts by name.
    package var attributes: [String: String]
    /// A sentence for people.
    package var message: String
    package var time: Timestamp

    package init(
        kind: String, parents: [Digest] = [], trees: [String: TreeRoot] = [:], blobs: [String: Digest] = [:],
        attributes: [String: String] = [:], message: String = "", time: Timestamp = .now()
    ) {
        self.kind = kind
        self.parents = parents
        self.trees = trees
        self.blobs = blobs
        self.attributes = attributes
        self.message = message
        self.time = time
    }
}
