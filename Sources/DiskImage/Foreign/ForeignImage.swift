import Dispatch
import Glibc
import Synchronization

/// An image in a format that QEMU reads: vmdk, vdi, vhdx, vpc, parallels.
///
/// Reads through a `qemu-nbd` of its own, which ends with it. What reads as zeros is a `.zero` extent, as in ``RawImage``.
package final class ForeignImage: DiskImage {
    /// Reads that are under way at once, each of several requests.
    private static let connections = 4

    package let virtualSize: UInt64
    /// The file.
    package let path: String
    /// Its format.
    package let format: DiskImages.Format
    private let blockSize: UInt64
    private let server: QemuNBDServer
    private let idle: Mutex<Idle>
    private let available = DispatchSemaphore(value: ForeignImage.connections)

    /// A box, because arrays hold no values that cannot be copied.
    ///
    /// `@unchecked Sendable`: whoever has taken a connection out of the list is the only one to use it.
    private final class Connection: @unchecked Sendable {
        let client: NBDClient

        init(_ client: consuming NBDClient) { self.client = client }
    }

    private struct Idle {
        var connections: [Connection] = []
    }

    /// Opens an image with `qemu-nbd`.
    ///
    /// - Parameter format: Neither `.raw` nor `.qcow2`, which are read without QEMU.
    /// - Throws: `.toolFailed` with the words of `qemu-nbd`; `.forbiddenReference`, `.unsupported`, `.corrupt` for a vmdk that names files.
    init(file: ImageFile, format: DiskImages.Format, scope: ReferenceScope) throws(DiskImageError) {
        path = file.path
        self.format = format
        var hasParent = false
        switch format {
        case .vmdk: hasParent = try VMDKReferences(scope: scope).check(file)
        case .vpc: try FormatProbe.checkVHD(file)
        case .vdi, .vhdx, .parallels: break
        case .raw, .qcow2:
            throw DiskImageError(
                .unsupported, "\(file.path): raw and qcow2 are not read through qemu-nbd; open it directly")
        }
        let image = Self.description(path: file.path, format: format, hasParent: hasParent)
        let (server, sockets) = try QemuNBDServer.start(image: image, connections: Self.connections)
        self.server = server
        var opened: [Connection] = []
        var failure: NBDClient.Failure?
        for socket in sockets {
            if failure != nil {
                close(socket)
                continue
            }
            do throws(NBDClient.Failure) { opened.append(Connection(try NBDClient(socket: socket))) } catch {
                failure = error
            }
        }
        guard failure == nil, let first = opened.first else {
            opened = []
            server.waitForEnd()
            throw Self.cannotOpen(file.path, format, words: server.words, failure: failure)
        }
        virtualSize = first.client.size
        blockSize = first.client.blockSize
        idle = Mutex(Idle(connections: opened))
    }

    deinit {
        // The clients go first; the server's own deinit makes sure that it ends.
        idle.withLock { $0.connections = [] }
    }

    package func extents(from offset: UInt64, length: UInt64) throws(DiskImageError) -> [DiskExtent] {
        try checkRange(offset, length)
        let end = offset + length
        var extents: [DiskExtent] = []
        var position = offset
        while position < end {
            // Requests have 32 bits for the length, and begin and end at blocks.
            let start = position / blockSize * blockSize
            let stop = min(virtualSize, min((end + blockSize - 1) / blockSize * blockSize, start + 1 << 30))
            let found = try request("ask for the holes", at: start) { (client) throws(NBDClient.Failure) in
                try client.allocation(from: start, length: stop - start)
            }
            guard let reached = found.last?.end, reached > position else {
                throw DiskImageError(
                    .toolFailed,
                    "qemu-nbd says nothing about the allocation of \(path) at byte \(position); check the image with qemu-img check",
                    cause: server.words)
            }
            for extent in found {
                let (from, to) = (max(extent.offset, position), min(extent.end, end))
                if from < to {
                    try extents.append(merging: DiskExtent(offset: from, length: to - from, kind: extent.kind))
                }
            }
            position = min(reached, end)
        }
        return extents
    }

    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        try checkRange(offset, UInt64(buffer.count))
        let start = offset / blockSize * blockSize
        let stop = min((offset + UInt64(buffer.count) + blockSize - 1) / blockSize * blockSize, virtualSize)
        if start == offset, stop == offset + UInt64(buffer.count) {
            try readBlocks(at: start, into: buffer)
            return
        }
        let blocks = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(stop - start), alignment: 4096)
        defer { blocks.deallocate() }
        try readBlocks(at: start, into: blocks)
        copy(blocks.slice(Int(offset - start), buffer.count), into: buffer)
    }

    /// Apart, because of the fault of the Swift 6.3 optimiser that ``UnsafeMutableRawBufferPointer/zero()`` tells of.
    @inline(never)
    private func copy(_ bytes: UnsafeMutableRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer) {
        buffer.copyMemory(from: UnsafeRawBufferPointer(bytes))
    }

    private func readBlocks(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(DiskImageError) {
        try request("read", at: offset) { (client) throws(NBDClient.Failure) in
            try client.read(at: offset, into: buffer)
        }
    }

    /// Does something with a connection that nobody else has.
    private func request<Result>(
        _ what: String, at offset: UInt64, _ body: (borrowing NBDClient) throws(NBDClient.Failure) -> Result
    ) throws(DiskImageError) -> Result {
        available.wait()
        let taken = idle.withLock { $0.connections.popLast() }
        defer {
            if let taken { idle.withLock { $0.connections.append(taken) } }
            available.signal()
        }
        // The semaphore counts the list, so there is one.
        guard let taken else { throw DiskImageError(.toolFailed, "no connection to qemu-nbd is left for \(path)") }
        do throws(NBDClient.Failure) { return try body(taken.client) } catch {
            throw DiskImageError(
                .io, "qemu-nbd cannot \(what) \(path) at byte \(offset); the image may be damaged: try qemu-img check",
                cause: [error.text, server.words].filter { !$0.isEmpty }.joined(separator: "; "))
        }
    }

    /// The image as QEMU's options in JSON: neither the name nor the contents are interpreted.
    private static func description(path: String, format: DiskImages.Format, hasParent: Bool) -> String {
        // Nothing below is opened except what was examined before.
        let backing = format == .vmdk && !hasParent ? "\"backing\":null," : ""
        return
            "json:{\"driver\":\"\(format.rawValue)\",\(backing)\"file\":{\"driver\":\"file\",\"filename\":\(quoted(path))}}"
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func cannotOpen(
        _ path: String, _ format: DiskImages.Format, words: String, failure: NBDClient.Failure?
    ) -> DiskImageError {
        if words.contains("not found") && words.contains("exec") {
            return DiskImageError(
                .toolFailed, "\(path) is read through qemu-nbd, which is not installed; install the package qemu-utils",
                cause: words)
        }
        return DiskImageError(
            .toolFailed,
            "qemu-nbd cannot open \(path) as \(format.rawValue); check the file with qemu-img info, or give its right format",
            cause: words.isEmpty ? failure?.text : words)
    }
}
