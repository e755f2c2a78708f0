import ArgumentParser
import Workflow

/// A codec as a user names it: `none`, `lz4`, `zstd`, `zstd:9`.
struct CodecArgument: ExpressibleByArgument {
    let compression: StoreCompression

    init?(argument: String) {
        guard let compression = StoreCompression(parsing: argument) else { return nil }
        self.compression = compression
    }

    static var defaultCompletionKind: CompletionKind { .list(["none", "lz4", "zstd", "zstd:9", "zstd:19"]) }
}
