import ContentStore
import DiskImage
import Foundation
import Hypervisor
import ImageRecipe
import Lineage

/// A guest that was built and is a VM now.
package struct ImageReport: Sendable, Codable {
    package let name: String
    package let memoryMiB: Int
    package let cpus: Int
    package let machine: String
    package let diskBytes: UInt64
    package let newBytes: UInt64
    package let storedBytes: UInt64

    package var summary: String {
        "\(machine), \(cpus) CPU, \(memoryMiB) MiB, disk \(Text.mebibytes(diskBytes)); "
            + "\(Text.mebibytes(newBytes)) new in the store, \(Text.mebibytes(storedBytes)) on disk"
    }
}

extension Stemma {
    /// Builds a guest's files into a new directory and makes no VM.
    package func buildFiles(recipe file: String, directory: String) async throws {
        let recipe = try Recipe(contentsOf: file)
        _ = try await build(recipe, into: directory)
        progress.step("\(recipe.name) is in \(directory)")
    }

    /// Ctrl-C ends the build and leaves nothing behind.
    private func build(_ recipe: Recipe, into directory: String) async throws -> BuiltImage {
        let (progress, cache) = (progress, home.cache)
        return try await Interruption.cancelling {
            try ImageBuilder(recipe: recipe, cache: cache) { progress.step($0) }.build(into: directory)
        }
    }

    /// Builds a guest from a recipe and makes a VM of it.
    package func buildImage(recipe file: String, name: Name) async throws -> ImageReport {
        try catalogue.requireFree(vm: name)
        let recipe = try Recipe(contentsOf: file)
        let scratch = try TemporaryDirectory(under: home.root)
        let image = try await build(recipe, into: scratch.path + "/image")

        let ingest = try store.beginIngest(label: "image build \(name)")
        var configuration = MachineConfiguration(
            machine: try await installation().resolveMachine(image.machine), cpu: image.cpu,
            memoryMiB: image.memoryMiB, cpus: image.cpus, diskCount: image.disks.count)
        configuration.boot = image.commandLine.map { .init(hasInitialRamdisk: true, commandLine: $0) }
        try configuration.validate()

        var commit = Commit(
            kind: EdgeKind.image.rawValue,
            message: image.description.isEmpty ? "Built from \(recipe.name)" : image.description)
        for (disk, path) in zip(configuration.disks, image.diskPaths) {
            progress.step("storing \(disk.id)")
            commit.disks[disk.id] = try DiskIngest(ingest: ingest).whole(DiskImages.open(path: path, format: .raw))
        }
        if let kernel = image.kernelPath, let initrd = image.initrdPath {
            commit.kernel = try ingest.putBlob([UInt8](Data(contentsOf: URL(fileURLWithPath: kernel))))
            commit.initrd = try ingest.putBlob([UInt8](Data(contentsOf: URL(fileURLWithPath: initrd))))
        }
        commit.machine = try put(configuration, in: ingest)
        commit.attributes[Attribute.source] = image.provenance.recipe
        commit.blobs["provenance"] = try ingest.putBlob([UInt8](JSONEncoder().encode(image.provenance)))
        try catalogue.createVM(name, commit: commit, ingest: ingest, operation: "image build \(name)")
        let statistics = ingest.statistics
        return ImageReport(
            name: name.text, memoryMiB: configuration.memoryMiB, cpus: configuration.cpus,
            machine: configuration.machine, diskBytes: commit.diskSize, newBytes: statistics.newBytes,
            storedBytes: statistics.storedBytes)
    }
}
