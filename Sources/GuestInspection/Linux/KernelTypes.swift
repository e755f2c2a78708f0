/// The types of a Linux kernel, from the BTF section in its memory (see <doc:Linux> for the format).
package struct KernelTypes: Sendable {
    /// Why a section could not be used.
    package struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        /// What is wrong.
        package var message: String
        /// Byte offset in the section.
        package var offset: Int

        package var description: String { "\(message) at byte \(offset) of the kernel's type information (BTF)" }
    }

    /// What a type is; the numbers are those of the format.
    package enum Kind: UInt32, Sendable, Hashable {
        case void = 0
        case integer, pointer, array, structure, union, enumeration, forward, typedef, volatile, const, restrict
        case function, functionPrototype, variable, section, float, declarationTag, typeTag, enumeration64
    }

    /// A type's fixed part.
    struct Record: Sendable {
        let kind: Kind
        let name: UInt32
        /// Members, enumerators or parameters.
        let count: Int
        /// A flag; for structures: members may be bit fields.
        let flag: Bool
        /// Bytes, or the type that this one refers to.
        let sizeOrType: UInt32
        /// Offset of what follows the fixed part.
        let details: Int
    }

    /// A member of a structure or union.
    package struct Member: Sendable, Hashable {
        /// Its name; empty for an anonymous structure or union.
        package var name: String
        /// Bits from the beginning.
        package var bitOffset: Int
        /// Its type.
        package var type: UInt32
    }

    private let table: ByteTable
    private let strings: Int
    private let stringsEnd: Int
    private let records: [Record]

    /// The most types that are believed.
    private static let maximumCount = 4 << 20
    package static let magic: [UInt8] = [0x9f, 0xeb, 0x01, 0x00]

    /// Number of types, `void` included.
    package var count: Int { records.count }

    /// Reads a section. Bytes behind it are not looked at.
    package init(_ bytes: [UInt8]) throws(Malformed) {
        let table = ByteTable(bytes)
        guard bytes.starts(with: Self.magic), let header = table.u32(4), header >= 24, header < 4096,
            let typeOffset = table.u32(8), let typeLength = table.u32(12), let stringOffset = table.u32(16),
            let stringLength = table.u32(20)
        else { throw Malformed(message: "no header", offset: 0) }
        let types = Int(header) + Int(typeOffset)
        let typesEnd = types + Int(typeLength)
        strings = Int(header) + Int(stringOffset)
        stringsEnd = strings + Int(stringLength)
        guard typesEnd <= bytes.count, stringsEnd <= bytes.count, stringLength > 0, bytes[stringsEnd - 1] == 0 else {
            throw Malformed(message: "types or strings reach beyond the end", offset: 8)
        }
        self.table = table
        var records = [
            Record(kind: .void, name: 0, count: 0, flag: false, sizeOrType: 0, details: types)
        ]
        records.reserveCapacity(Int(typeLength) / 20)
        var position = types
        while position < typesEnd {
            guard position + 12 <= typesEnd, let name = table.u32(position), let info = table.u32(position + 4),
                let sizeOrType = table.u32(position + 8)
            else { throw Malformed(message: "a type is cut off", offset: position) }
            guard let kind = Kind(rawValue: info >> 24 & 0x1f), kind != .void else {
                throw Malformed(message: "unknown kind \(info >> 24 & 0x1f) of a type", offset: position)
            }
            guard records.count < Self.maximumCount else {
                throw Malformed(message: "too many types", offset: position)
            }
            let count = Int(info & 0xffff)
            let details = position + 12
            let length: Int =
                switch kind {
                case .integer, .variable, .declarationTag: 4
                case .array: 12
                case .structure, .union, .section, .enumeration64: 12 * count
                case .enumeration, .functionPrototype: 8 * count
                default: 0
                }
            guard details + length <= typesEnd else { throw Malformed(message: "a type is cut off", offset: position) }
            records.append(
                Record(
                    kind: kind, name: name, count: count, flag: info >> 31 == 1, sizeOrType: sizeOrType,
                    details: details))
            position = details + length
        }
        self.records = records
    }

    /// The bytes of the section that begins with `bytes`, from its header; nil if there is none.
    package static func length(ofHeader bytes: [UInt8]) -> Int? {
        let table = ByteTable(bytes)
        guard bytes.starts(with: magic), let header = table.u32(4), header >= 24, header < 4096,
            let typeOffset = table.u32(8), let typeLength = table.u32(12), let stringOffset = table.u32(16),
            let stringLength = table.u32(20)
        else { return nil }
        return Int(header) + max(Int(typeOffset) + Int(typeLength), Int(stringOffset) + Int(stringLength))
    }

    /// Numbers of all types of a kind and name.
    package func types(_ kind: Kind, named name: String) -> [UInt32] {
        let text = Array(name.utf8)
        return records.indices.compactMap { index in
            let record = records[index]
            guard record.kind == kind, table.matches(text, at: strings + Int(record.name)) else { return nil }
            return UInt32(index)
        }
    }

    /// Name of a type; empty for an anonymous one, nil for a number that is none.
    package func name(_ type: UInt32) -> String? { record(type).flatMap { string($0.name) } }

    /// Kind of a type.
    package func kind(_ type: UInt32) -> Kind? { record(type)?.kind }

    /// Members of a structure or union, in order; empty for other types.
    package func members(_ type: UInt32) -> [Member] {
        guard let record = record(type), record.kind == .structure || record.kind == .union else { return [] }
        return (0..<record.count).compactMap { index in
            let place = record.details + 12 * index
            guard let name = table.u32(place), let type = table.u32(place + 4), let offset = table.u32(place + 8),
                let text = string(name)
            else { return nil }
            return Member(name: text, bitOffset: Int(record.flag ? offset & 0xff_ffff : offset), type: type)
        }
    }

    /// Names and values of an enumeration; empty for other types.
    package func enumerators(_ type: UInt32) -> [(name: String, value: UInt64)] {
        guard let record = record(type), record.kind == .enumeration || record.kind == .enumeration64 else { return [] }
        let isWide = record.kind == .enumeration64
        return (0..<record.count).compactMap { index in
            let place = record.details + (isWide ? 12 : 8) * index
            guard let name = table.u32(place), let low = table.u32(place + 4), let text = string(name) else {
                return nil
            }
            if isWide {
                guard let high = table.u32(place + 8) else { return nil }
                return (text, UInt64(high) << 32 | UInt64(low))
            }
            return (text, record.flag ? UInt64(bitPattern: Int64(Int32(bitPattern: low))) : UInt64(low))
        }
    }

    /// Names and types of a function's parameters; nil for other types.
    package func parameters(ofFunction type: UInt32) -> [(name: String, type: UInt32)]? {
        guard let function = record(type) else { return nil }
        let prototype = function.kind == .function ? record(function.sizeOrType) : function
        guard let prototype, prototype.kind == .functionPrototype else { return nil }
        return (0..<prototype.count).compactMap { index in
            guard let name = table.u32(prototype.details + 8 * index),
                let type = table.u32(prototype.details + 8 * index + 4), let text = string(name)
            else { return nil }
            return (text, type)
        }
    }

    /// Bytes of a value of a type; nil for types without a size, and for those that refer to each other in circles.
    package func size(_ type: UInt32) -> Int? {
        var type = type
        for _ in 0..<32 {
            guard let record = record(type) else { return nil }
            switch record.kind {
            case .integer, .structure, .union, .enumeration, .enumeration64, .float: return Int(record.sizeOrType)
            case .pointer: return 8
            case .typedef, .volatile, .const, .restrict, .typeTag, .variable: type = record.sizeOrType
            case .array:
                guard let element = table.u32(record.details), let count = table.u32(record.details + 8),
                    element < type, let size = size(element)
                else { return nil }
                let (product, overflow) = size.multipliedReportingOverflow(by: Int(count))
                return overflow ? nil : product
            default: return nil
            }
        }
        return nil
    }

    /// A type without `typedef`, `const` and the like.
    package func resolved(_ type: UInt32) -> UInt32? {
        var type = type
        for _ in 0..<32 {
            guard let record = record(type) else { return nil }
            switch record.kind {
            case .typedef, .volatile, .const, .restrict, .typeTag: type = record.sizeOrType
            default: return type
            }
        }
        return nil
    }

    /// The type that a pointer points to.
    package func pointee(_ type: UInt32) -> UInt32? {
        guard let type = resolved(type), let record = record(type), record.kind == .pointer else { return nil }
        return record.sizeOrType
    }

    private func record(_ type: UInt32) -> Record? {
        records.indices.contains(Int(type)) ? records[Int(type)] : nil
    }

    private func string(_ offset: UInt32) -> String? {
        let place = strings + Int(offset)
        return place < stringsEnd ? table.string(at: place) : nil
    }
}
