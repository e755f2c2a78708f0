import Glibc

/// A new file that is written, and on its way to the disk.
///
/// Of several files, all are to be written before the first is waited for: a journal then takes them to the disk together.
final class WrittenFile {
    let path: String
    private let descriptor: FileDescriptor

    /// Writes a file that is not there yet.
    init(_ bytes: [UInt8], to path: String, in store: ContentStore) throws(StoreError) {
        let fileSystem = store.fileSystem
        let descriptor = try FileDescriptor(
            path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: store.layout.fileMode, in: fileSystem, "making a file")
        try bytes.withBytes { bytes throws(StoreError) in try descriptor.write(bytes, at: 0) }
        fileSystem.startWriteback(descriptor.raw, at: 0, length: UInt64(bytes.count))
        self.path = path
        self.descriptor = descriptor
    }

    /// Waits until the bytes are on disk. The name is not yet.
    func synchronize() throws(StoreError) {
        try descriptor.synchronize(dataOnly: false)
    }
}
