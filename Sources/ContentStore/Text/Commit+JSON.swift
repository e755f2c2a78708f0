extension Timestamp {
    var json: JSONValue {
        .object(["nanoseconds": .integer(Int64(min(nanoseconds, 999_999_999))), "seconds": .integer(seconds)])
    }

    init?(json: JSONValue?) {
        guard
            let seconds = json?["seconds"]?.integerValue, let nanoseconds = json?["nanoseconds"]?.integerValue,
            (0..<1_000_000_000).contains(nanoseconds)
        else { return nil }
        self.init(seconds: seconds, nanoseconds: UInt32(nanoseconds))
    }
}

extension TreeRoot {
    var json: JSONValue {
        .object([
            "digest": JSONValue(digest), "kind": .string(kind.rawValue), "length": .integer(Int64(clamping: length)),
        ])
    }

    init?(json: JSONValue) {
        guard
            let kind = json["kind"]?.stringValue.flatMap({ TreeKind(rawValue: $0) }),
            let length = json["length"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            length <= TreeShape.maximumLength, let digest = json["digest"]?.optionalDigestValue
        else { return nil }
        self.init(kind: kind, length: length, digest: digest)
    }
}

extension Commit {
    /// The commit as it is stored. See <doc:Format#Commits>.
    func canonicalBytes() -> [UInt8] {
        JSONValue.object([
            "attributes": .object(attributes.mapValues { .string($0) }),
            "blobs": .object(blobs.mapValues { JSONValue($0) }),
            "format": .integer(1),
            "kind": .string(kind),
            "message": .string(message),
            "parents": .array(parents.map { JSONValue($0) }),
            "time": time.json,
            "trees": .object(trees.mapValues(\.json)),
        ]).canonicalBytes()
    }

    /// Reads a stored commit; nil when it is none of format 1.
    init?(canonicalBytes bytes: [UInt8]) {
        func map<Value>(_ json: JSONValue?, _ read: (JSONValue) -> Value?) -> [String: Value]? {
            guard let members = json?.objectValue else { return nil }
            var result: [String: Value] = [:]
            for (name, member) in members {
                guard let value = read(member) else { return nil }
                result[name] = value
            }
            return result
        }
        guard
            let json = JSONParser.parse(bytes), json["format"]?.integerValue == 1,
            let kind = json["kind"]?.stringValue, let message = json["message"]?.stringValue,
            let time = Timestamp(json: json["time"]), let parentValues = json["parents"]?.arrayValue,
            let attributes = map(json["attributes"], { $0.stringValue }),
            let blobs = map(json["blobs"], { $0.digestValue }), let trees = map(json["trees"], { TreeRoot(json: $0) })
        else { return nil }
        let parents = parentValues.compactMap(\.digestValue)
        guard parents.count == parentValues.count else { return nil }
        self.init(
            kind: kind, parents: parents, trees: trees, blobs: blobs, attributes: attributes, message: message,
            time: time)
    }
}

extension Operation {
    var json: JSONValue {
        .object([
            "changes": .array(
                changes.map { change in
                    var members: [String: JSONValue] = [
                        "applied": .bool(change.applied), "new": JSONValue(change.new), "old": JSONValue(change.old),
                        "ref": .string(change.ref),
                    ]
                    if change.isTable { members["table"] = .bool(true) }
                    return .object(members)
                }),
            "number": .integer(Int64(clamping: number)), "operation": .string(operation), "time": time.json,
        ])
    }

    init?(json: JSONValue) {
        guard
            let number = json["number"]?.integerValue.flatMap({ UInt64(exactly: $0) }),
            let operation = json["operation"]?.stringValue, let time = Timestamp(json: json["time"]),
            let values = json["changes"]?.arrayValue
        else { return nil }
        var changes: [Change] = []
        for value in values {
            guard
                let ref = value["ref"]?.stringValue, let old = value["old"]?.optionalDigestValue,
                let new = value["new"]?.optionalDigestValue, let applied = value["applied"]?.boolValue
            else { return nil }
            let isTable = value["table"]?.boolValue ?? false
            changes.append(Change(ref: ref, old: old, new: new, applied: applied, isTable: isTable))
        }
        self.init(number: number, operation: operation, time: time, changes: changes)
    }
}
