import VMState

/// Compares the device sections of two machine states, field by field where the fields have names.
struct DeviceComparison {
    let before: MigrationStream
    let after: MigrationStream

    /// Most bytes of a field that are shown.
    private static let shownBytes = 16

    /// In the order of the later stream, sections that are gone last.
    func differences() -> [DeviceDifference] {
        var found: [DeviceDifference] = []
        var left = Dictionary(before.devices.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for section in after.devices {
            guard let earlier = left.removeValue(forKey: section.name) else {
                found.append(DeviceDifference(section: section.name, kind: .added))
                continue
            }
            guard earlier.payload != section.payload || earlier.versionID != section.versionID else { continue }
            found.append(
                DeviceDifference(section: section.name, kind: .changed, fields: fields(earlier, section)))
        }
        for section in before.devices where left[section.name] != nil {
            found.append(DeviceDifference(section: section.name, kind: .removed))
        }
        return found
    }

    private func fields(_ earlier: DeviceSection, _ later: DeviceSection) -> [FieldDifference] {
        guard let old = earlier.fields(), let new = later.fields() else { return [] }
        var found: [FieldDifference] = []
        var oldPlaces = Dictionary(old.map { ($0.path, $0.place) }, uniquingKeysWith: { first, _ in first })
        for (path, place) in new {
            let value = Array(later.payload[place.range])
            guard let oldPlace = oldPlaces.removeValue(forKey: path) else {
                found.append(FieldDifference(field: path, before: nil, after: Self.text(value, place)))
                continue
            }
            let oldValue = Array(earlier.payload[oldPlace.range])
            guard oldValue != value else { continue }
            if place.count == oldPlace.count, place.elementSize == oldPlace.elementSize, value.count > Self.shownBytes {
                found += elements(
                    path, size: [2, 4, 8].contains(place.elementSize) ? place.elementSize : 1, oldValue, value)
            } else {
                found.append(
                    FieldDifference(
                        field: path, before: Self.text(oldValue, oldPlace), after: Self.text(value, place)))
            }
        }
        for (path, place) in old where oldPlaces[path] != nil {
            found.append(
                FieldDifference(field: path, before: Self.text(Array(earlier.payload[place.range]), place), after: nil))
        }
        return found
    }

    /// The elements of an array that differ; neighbours of single bytes as one range.
    private func elements(
        _ path: String, size: Int, _ before: [UInt8], _ after: [UInt8]
    ) -> [FieldDifference] {
        let count = after.count / size
        var found: [FieldDifference] = []
        var index = 0
        while index < count {
            guard before[index * size..<(index + 1) * size] != after[index * size..<(index + 1) * size] else {
                index += 1
                continue
            }
            var end = index + 1
            while size == 1, end < count, end - index < Self.shownBytes, before[end] != after[end] { end += 1 }
            let bytes = index * size..<end * size
            let name = end == index + 1 ? "\(path)[\(index)]" : "\(path)[\(index)..<\(end)]"
            found.append(
                FieldDifference(
                    field: name, before: Self.text(before[bytes]), after: Self.text(after[bytes])))
            index = end
        }
        return found
    }

    private static func text(_ bytes: [UInt8], _ place: FieldPlace) -> String {
        if place.count == 1 { return text(bytes[...]) }
        return hexadecimal(bytes.prefix(shownBytes)) + (bytes.count > shownBytes ? "… (\(bytes.count) bytes)" : "")
    }

    /// An integer (QEMU writes them big-endian), or the first bytes.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        if [1, 2, 4, 8].contains(bytes.count) {
            return "0x" + String(bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }, radix: 16)
        }
        return hexadecimal(bytes.prefix(shownBytes)) + (bytes.count > shownBytes ? "… (\(bytes.count) bytes)" : "")
    }

    private static func hexadecimal(_ bytes: some Collection<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
