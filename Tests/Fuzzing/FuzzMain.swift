import Glibc
import Synchronization
import VMState

/// The driver of libFuzzer, of the compiler's runtime.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The index of the chosen target.
private let chosen = Atomic(0)

/// `stemma-fuzz list`, `stemma-fuzz seeds TARGET DIRECTORY`, `stemma-fuzz seed TARGET STREAM FILE`,
/// `stemma-fuzz TARGET [options and corpus of libFuzzer]`.
///
/// The package manager makes this the program's `main`.
@_cdecl("stemma_fuzz_main")
public func fuzzMain(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    let words = (0..<Int(count)).map { arguments[$0].map { String(cString: $0) } ?? "" }
    if words.count == 2, words[1] == "list" {
        for target in targets { print(target.name) }
        return 0
    }
    if words.count == 4, words[1] == "seeds" { return writeSeeds(of: words[2], to: words[3]) }
    if words.count == 5, words[1] == "seed" { return writeSeed(of: words[2], from: words[3], to: words[4]) }
    guard words.count > 1, let index = targets.firstIndex(where: { $0.name == words[1] }) else {
        complain(
            "usage: stemma-fuzz list | seeds TARGET DIRECTORY | seed TARGET STREAM FILE | TARGET [options of libFuzzer]"
        )
        return 64
    }
    chosen.store(index, ordering: .relaxed)
    // libFuzzer sees its own options only.
    arguments[1] = arguments[0]
    var remaining = count - 1
    var rest: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments + 1
    return runFuzzer(&remaining, &rest) { data, size in
        targets[chosen.load(ordering: .relaxed)].run(UnsafeRawBufferPointer(start: data, count: size))
        return 0
    }
}

private func writeSeeds(of name: String, to directory: String) -> CInt {
    guard let target = targets.first(where: { $0.name == name }) else { return 64 }
    do {
        for (number, seed) in try target.seeds().enumerated() {
            guard write(seed, to: "\(directory)/seed-\(number)") else { return 74 }
        }
        return 0
    } catch {
        complain("no seeds of \(name): \(error)")
        return 70
    }
}

/// What a target takes of a stream of QEMU: the description, or everything but RAM.
private func writeSeed(of name: String, from stream: String, to file: String) -> CInt {
    do {
        var sink = DiscardingPageSink()
        let stream = try MigrationStreamReader(FileByteSource(path: stream)).read(pages: &sink)
        guard let seed = name == DescriptionTarget.name ? stream.description?.text : try stream.skeleton() else {
            return 65
        }
        return write(seed, to: file) ? 0 : 74
    } catch {
        complain("no seed of \(name): \(error)")
        return 65
    }
}

private func write(_ bytes: [UInt8], to path: String) -> Bool {
    guard let file = fopen(path, "w") else { return false }
    defer { fclose(file) }
    return fwrite(bytes, 1, bytes.count, file) == bytes.count
}

private func complain(_ text: String) {
    let line = text + "\n"
    _ = line.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
}
