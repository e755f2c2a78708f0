/// The header extensions that reading needs (specification, "Header extensions").
struct Qcow2HeaderExtensions {
    private static let backingFormatType: UInt32 = 0xe279_2aca
    private static let featureNamesType: UInt32 = 0x6803_f857

    /// Format of the backing file, such as `raw`.
    private(set) var backingFormat: String?
    /// Names of incompatible feature bits, by bit number.
    private var featureNames: [UInt8: String] = [:]

    /// Walks the list.
    ///
    /// - Parameters:
    ///   - bytes: The first cluster up to the end of the extension area.
    ///   - start: Where the list begins.
    init(_ bytes: [UInt8], from start: Int, file: ImageFile) throws(DiskImageError) {
        var reader = BigEndianReader(bytes)
        do {
            try reader.seek(to: start)
            while reader.remaining >= 8 {
                let at = UInt64(reader.position)
                let type: UInt32 = try reader.next()
                let length: UInt32 = try reader.next()
                if type == 0 { break }
                guard length <= reader.remaining else {
                    throw file.corrupt("a header extension of \(length) bytes leaves the extension area", at: at)
                }
                let data = try reader.next(count: Int(length))
                try reader.seek(to: min((reader.position + 7) / 8 * 8, bytes.count))
                switch type {
                case Self.backingFormatType: backingFormat = String(decoding: data, as: UTF8.self)
                case Self.featureNamesType: readFeatureNames(data)
                default: break
                }
            }
        } catch let error as DiskImageError {
            throw error
        } catch {
            throw file.corrupt("the header extensions leave the first cluster", at: UInt64(start))
        }
    }

    /// Entries of 48 bytes: kind (0 = incompatible), bit, name padded with zeros.
    private mutating func readFeatureNames(_ data: ArraySlice<UInt8>) {
        var rest = data
        while rest.count >= 48 {
            let entry = Array(rest.prefix(48))
            rest = rest.dropFirst(48)
            guard entry[0] == 0, entry[1] < 64 else { continue }
            featureNames[entry[1]] = String(decoding: entry[2...].prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// A readable list of feature bits.
    func names(of bits: UInt64) -> String {
        (0..<UInt8(64)).filter { bits >> UInt64($0) & 1 == 1 }
            .map { featureNames[$0].map { "\"\($0)\"" } ?? "bit \($0)" }
            .joined(separator: ", ")
    }
}
