import BlockService

/// Serves a source as "disk" while the body runs.
func serving<Result>(
    _ source: MemorySource, limits: NBDServer.Limits = NBDServer.Limits(),
    onFailure: @escaping @Sendable (NBDFailure) -> Void = { _ in },
    _ body: (NBDServer, TemporaryDirectory) async throws -> Result
) async throws -> Result {
    let directory = try TemporaryDirectory()
    let server = try await NBDServer.start(
        exports: [NBDExport(name: "disk", description: "a disk for tests", source: source)],
        socketPath: directory("nbd.sock"), limits: limits, onFailure: onFailure)
    do {
        let result = try await body(server, directory)
        await server.stop()
        return result
    } catch {
        await server.stop()
        throw error
    }
}
