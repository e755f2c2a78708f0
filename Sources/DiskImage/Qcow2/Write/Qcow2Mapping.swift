/// The L2 tables of one disk in memory: where each cluster is, or that it is not.
///
/// A value: a snapshot's copy shares its tables with the disk until one of them changes.
struct Qcow2Mapping: Sendable {
    /// A cluster that reads as zeros, whatever lies below.
    static let zeroEntry: UInt64 = 1

    /// One L2 table.
    struct Table: Sendable {
        /// Entries without the flag for a single reference; 0 = not allocated.
        var entries: [UInt64]
        /// Where it was written, 0 = it has to be written.
        var host: UInt64 = 0

        mutating func fill(_ range: Range<Int>, with entry: UInt64) {
            guard entries[range].contains(where: { $0 != entry }) else { return }
            for index in range { entries[index] = entry }
            host = 0
        }
    }

    /// Tables by their number in the L1 table.
    private(set) var tables: [Int: Table] = [:]
    private let geometry: Qcow2Geometry

    init(geometry: Qcow2Geometry) { self.geometry = geometry }

    private var emptyTable: Table { Table(entries: [UInt64](repeating: 0, count: Int(geometry.l2Entries))) }

    /// The entry for a cluster.
    subscript(cluster: UInt64) -> UInt64 {
        get {
            tables[Int(cluster / geometry.l2Entries)]?.entries[Int(cluster % geometry.l2Entries)] ?? 0
        }
        set {
            let table = Int(cluster / geometry.l2Entries)
            if tables[table] == nil {
                if newValue == 0 { return }
                tables[table] = emptyTable
            }
            let index = Int(cluster % geometry.l2Entries)
            guard tables[table]?.entries[index] != newValue else { return }
            tables[table]?.entries[index] = newValue
            tables[table]?.host = 0
        }
    }

    /// Sets a run of clusters to one entry, which is no place: not allocated, or zeros.
    mutating func fill(_ run: ClusterRun, with entry: UInt64) {
        var cluster = run.first
        let end = run.first + run.count
        while cluster < end {
            let table = Int(cluster / geometry.l2Entries)
            let tableStart = UInt64(table) * geometry.l2Entries
            let tableEnd = min(end, tableStart + geometry.l2Entries)
            // Where nothing is, nothing has to be taken away.
            if entry != 0, tables[table] == nil { tables[table] = emptyTable }
            tables[table]?.fill(Int(cluster - tableStart)..<Int(tableEnd - tableStart), with: entry)
            cluster = tableEnd
        }
    }

    /// Adds the tables of another part of the address space.
    mutating func merge(_ other: Qcow2Mapping) {
        tables.merge(other.tables) { one, _ in one }
    }

    /// Numbers of tables that have to be written, in order. Tables that have become empty are dropped.
    mutating func unwritten() -> [Int] {
        tables = tables.filter { $0.value.host != 0 || $0.value.entries.contains { $0 != 0 } }
        return tables.filter { $0.value.host == 0 }.keys.sorted()
    }

    /// Notes where a table is.
    mutating func place(_ table: Int, at host: UInt64) { tables[table]?.host = host }
}
