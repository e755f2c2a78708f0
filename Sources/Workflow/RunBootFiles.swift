import ContentStore
import Foundation
import Glibc
import Hypervisor
import Lineage

extension Stemma {
    /// The kernel and the initial RAM disk of a commit as files; `nil` when its machine boots from a disk.
    ///
    /// They are in the cache below the home, by digest, written once and for all runs. A boot checks their bytes; a resumed
    /// guest needs them only when it reboots, and is not kept waiting for that.
    func cachedBootFiles(of commit: Commit, start: LaunchOptions.Start) throws -> LaunchOptions.BootFiles? {
        guard let kernel = commit.kernel else { return nil }
        return LaunchOptions.BootFiles(
            kernel: try cachedFile(kernel, checked: start == .boot),
            initialRamdisk: try commit.initrd.map { try cachedFile($0, checked: start == .boot) })
    }

    private func cachedFile(_ digest: Digest, checked: Bool) throws -> String {
        let directory = home.cache + "/boot"
        let path = directory + "/" + digest.description
        var status = stat()
        if stat(path, &status) == 0, status.st_size > 0 {
            if !checked { return path }
            if let bytes = FileManager.default.contents(atPath: path),
                bytes.withUnsafeBytes({ Digest(of: $0) }) == digest
            {
                return path
            }
        }
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let temporary = "\(path).\(UUID().uuidString)"
            do {
                try Data(store.blob(digest)).write(to: URL(fileURLWithPath: temporary))
                // On disk before it has its name: a name is believed without a look at the bytes.
                let file = try FileHandle(forUpdating: URL(fileURLWithPath: temporary))
                try file.synchronize()
                try file.close()
                guard rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
            } catch {
                unlink(temporary)
                throw error
            }
        } catch let error as CocoaError {
            throw WorkflowError(
                .io, "The file \(path) for the guest's boot cannot be written: \(error.localizedDescription)")
        }
        return path
    }
}
