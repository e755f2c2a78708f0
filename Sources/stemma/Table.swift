/// Columns of text.
enum Table {
    /// Rows under a heading, each column as wide as its widest cell; nothing for no rows.
    static func render(_ heading: [String], _ rows: [[String]]) -> String {
        guard !rows.isEmpty else { return "" }
        let all = [heading] + rows
        let widths = heading.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (cell, width) in zip(row.dropLast(), widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            return line + (row.last ?? "")
        }.joined(separator: "\n")
    }
}
