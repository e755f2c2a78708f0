/// The description that QEMU appends to a stream: which fields each device section consists of.
///
/// The text is kept exactly; `devices` is what it says.
package struct VMDescription: Sendable, Hashable {
    /// The JSON text (no NUL, no padding).
    package private(set) var text: [UInt8]
    /// The described sections in the order of the text.
    package private(set) var devices: [DeviceDescription]
    private var listRange: Range<Int>

    /// Reads a text.
    package init(text: [UInt8]) throws(VMStateError) {
        let root = try JSONReader.parse(text)
        guard let list = root.member("devices"), let elements = list.elements else {
            throw VMStateError(.malformed, "the description (vmdesc JSON) has no list \"devices\"")
        }
        if let page = root.integer("page_size"), page != StreamFormat.pageSize {
            throw VMStateError(.unsupported, "the stream's page size is \(page); only x86 guests (4096) are supported")
        }
        var devices: [DeviceDescription] = []
        devices.reserveCapacity(elements.count)
        for element in elements { devices.append(try DeviceDescription(element)) }
        self.text = text
        self.devices = devices
        listRange = list.range
    }

    /// The description of one section.
    package func device(_ idstr: String, _ instanceID: UInt32) -> DeviceDescription? {
        devices.first { $0.name == idstr && $0.instanceID == instanceID }
    }

    /// Takes a section's entry out of the text, leaving all else as it is.
    mutating func remove(_ idstr: String, _ instanceID: UInt32) throws(VMStateError) {
        guard let index = devices.firstIndex(where: { $0.name == idstr && $0.instanceID == instanceID }) else { return }
        let range =
            if index + 1 < devices.count {
                devices[index].range.lowerBound..<devices[index + 1].range.lowerBound
            } else if index > 0 {
                devices[index - 1].range.upperBound..<devices[index].range.upperBound
            } else {
                devices[index].range
            }
        var edited = text
        edited.removeSubrange(range)
        self = try VMDescription(text: edited)
    }

    /// Puts the JSON object of a section before the entry at `index`, or at the end.
    mutating func insert(_ object: String, at index: Int) throws(VMStateError) {
        var edited = text
        if index < devices.count {
            edited.insert(contentsOf: Array("\(object), ".utf8), at: devices[index].range.lowerBound)
        } else if let last = devices.last {
            edited.insert(contentsOf: Array(", \(object)".utf8), at: last.range.upperBound)
        } else {
            edited.insert(contentsOf: Array(object.utf8), at: listRange.lowerBound + 1)
        }
        self = try VMDescription(text: edited)
    }
}

/// What the description says about one device section.
package struct DeviceDescription: Sendable, Hashable {
    /// The section's name (idstr).
    package var name: String
    /// Which of several sections of that name.
    package var instanceID: UInt32
    /// Version of the section's format; nil for devices of the old style, whose description does not tell (user-mode networking).
    package var version: Int64?
    /// Name of the format; nil for devices of the old style.
    package var vmsdName: String?
    /// The fields.
    var layout: FieldLayout
    /// Names of the subsections that are present, nested ones included, in order.
    package var subsections: [String]
    /// Where the entry stands in the text.
    var range: Range<Int>

    /// Bytes of the section's payload.
    package var size: Int { layout.size }

    init(_ node: JSONNode) throws(VMStateError) {
        guard let name = node.member("name")?.string, let instance = node.integer("instance_id") else {
            throw VMStateError(.malformed, "an entry of the description (vmdesc JSON) has no name or instance_id")
        }
        guard let instanceID = UInt32(exactly: instance) ?? Int32(exactly: instance).map(UInt32.init(bitPattern:))
        else {
            throw VMStateError(.malformed, "the description has the instance_id \(instance)", section: name)
        }
        self.name = name
        self.instanceID = instanceID
        version = node.integer("version")
        vmsdName = node.member("vmsd_name")?.string
        range = node.range
        var names: [String] = []
        do throws(VMStateError) {
            layout = try FieldLayout(description: node, subsections: &names)
        } catch {
            throw error.inSection("\(name)#\(instanceID)")
        }
        subsections = names
    }
}

extension FieldLayout {
    /// Bytes before the fields of a subsection: type, length, name, version.
    static func subsectionHeaderSize(_ name: String) -> Int { 6 + name.utf8.count }

    /// No section is larger; also keeps the sums of sizes from overflowing.
    private static let maximumSize = 1 << 31

    /// Reads `fields` and `subsections` of an object.
    fileprivate init(description node: JSONNode, subsections names: inout [String]) throws(VMStateError) {
        guard let list = node.member("fields")?.elements else {
            throw VMStateError(.malformed, "an entry of the description has no list \"fields\"")
        }
        fields = []
        size = 0
        for element in list {
            let field = try FieldNode(description: element, offset: size)
            fields.append(field)
            try grow(by: field.elementSize, times: field.count, at: field.name)
        }
        for element in node.member("subsections")?.elements ?? [] {
            guard let name = element.member("vmsd_name")?.string, name.utf8.count < 256 else {
                throw VMStateError(.malformed, "a subsection in the description has no vmsd_name")
            }
            names.append(name)
            try grow(by: Self.subsectionHeaderSize(name), times: 1, at: name)
            let inner = try FieldLayout(description: element, subsections: &names)
            fields.append(
                FieldNode(
                    name: name, type: "subsection", offset: size, elementSize: inner.size, count: 1, index: nil,
                    children: inner.fields))
            try grow(by: inner.size, times: 1, at: name)
        }
    }

    private mutating func grow(by element: Int, times count: Int, at field: String) throws(VMStateError) {
        let (bytes, overflow) = element.multipliedReportingOverflow(by: count)
        guard !overflow, bytes <= Self.maximumSize - size else {
            throw VMStateError(.limit, "the description gives a size beyond 2 GiB", field: field)
        }
        size += bytes
    }
}

extension FieldNode {
    fileprivate init(description node: JSONNode, offset: Int) throws(VMStateError) {
        guard node.isObject, let name = node.member("name")?.string else {
            throw VMStateError(.malformed, "a field in the description has no name")
        }
        self.name = name
        self.offset = offset
        type = node.member("type")?.string ?? ""
        index = node.integer("index").flatMap { Int(exactly: $0) }
        count = 1
        if let length = node.integer("array_len") {
            guard length >= 1, length <= 1 << 24 else {
                throw VMStateError(.malformed, "the description gives the array length \(length)", field: name)
            }
            count = Int(length)
        }
        // A damaged or merged nesting is no reason to fail: the size alone is enough to step over the field.
        var inner: FieldLayout?
        var ignored: [String] = []
        if let structure = node.member("struct") {
            inner = try FieldLayout(description: structure, subsections: &ignored)
        } else if node.memberCount("fields") == 1 {
            inner = try FieldLayout(description: node, subsections: &ignored)
        }
        if let number = node.lastInteger("size") {
            guard number >= 0, number <= 1 << 31 else {
                throw VMStateError(.malformed, "the description gives the size \(number)", field: name)
            }
            elementSize = Int(number)
        } else if let inner {
            elementSize = inner.size
        } else {
            throw VMStateError(.malformed, "the description gives no size", field: name)
        }
        children = inner?.size == elementSize ? inner?.fields ?? [] : []
    }
}
