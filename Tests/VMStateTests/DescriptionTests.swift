import Testing
import VMState

/// The description's JSON: order, duplicate keys, damage.
@Suite struct DescriptionTests {
    private func description(_ devices: String) throws -> VMDescription {
        try VMDescription(text: Array("{\"page_size\": 4096, \"devices\": [\(devices)]}".utf8))
    }

    @Test func lastSizeWinsWhereKeysAreDouble() throws {
        let text = """
            {"name": "a", "instance_id": 0, "vmsd_name": "a", "version": 1, "fields": [
              {"name": "list", "type": "qtailq", "vmsd_name": "x", "version": 1,
               "fields": [{"name": "n", "type": "uint8", "size": 1}],
               "vmsd_name": "x", "version": 1, "fields": [{"name": "n", "type": "uint8", "size": 1}], "size": 5},
              {"name": "after", "type": "uint16", "size": 2}]}
            """
        let device = try #require(try description(text).devices.first)
        #expect(device.size == 7)
    }

    @Test func sizesCountArraysAndSubsections() throws {
        let text = """
            {"name": "a", "instance_id": 4294967295, "version": 1, "fields": [
              {"name": "x", "array_len": 3, "type": "uint32", "size": 4},
              {"name": "y", "index": 0, "type": "uint8", "size": 1}, {"name": "y", "index": 1, "type": "uint8", "size": 1}],
             "subsections": [{"vmsd_name": "a/b", "version": 1, "fields": [{"name": "z", "type": "bool", "size": 1}],
               "subsections": [{"vmsd_name": "a/b/c", "version": 1, "fields": []}]}]}
            """
        let device = try #require(try description(text).devices.first)
        #expect(device.size == 12 + 2 + (6 + 3 + 1) + (6 + 5))
        #expect(device.instanceID == .max)
        #expect(device.subsections == ["a/b", "a/b/c"])
    }

    @Test(arguments: [
        "", "{", "[]", "{}", "{\"devices\": 3}", "{\"devices\": [3]}", "{\"devices\": []} x", "{\"devices\": [],}",
        "{\"devices\": [{\"name\": \"a\"}]}",
        "{\"devices\": [{\"name\": \"a\", \"instance_id\": 99999999999, \"fields\": []}]}",
        "{\"devices\": [{\"name\": \"a\", \"instance_id\": 0, \"fields\": [{\"name\": \"f\"}]}]}",
        "{\"devices\": [{\"name\": \"a\", \"instance_id\": 0, \"fields\": [{\"name\": \"f\", \"size\": -1}]}]}",
        "{\"devices\": [{\"name\": \"a\", \"instance_id\": 0, \"fields\": [{\"name\": \"f\", \"size\": 1e3}]}]}",
        "{\"devices\": [{\"name\": \"a\", \"instance_id\": 0, \"fields\": [{\"name\": \"f\", \"size\": 2000000000, \"array_len\": 9}]}]}",
        "{\"devices\": [{\"name\": \"a\\u12\"}]}", "{\"devices\": tru}", "{\"devices\": -}", "{\"a\": \"\u{1}\"}",
        "{\"page_size\": 65536, \"devices\": []}",
    ])
    func refusesDamage(_ text: String) {
        #expect(throws: VMStateError.self) { try VMDescription(text: Array(text.utf8)) }
    }

    @Test func refusesDeepNesting() {
        let deep = String(repeating: "[", count: 100_000)
        let error = #expect(throws: VMStateError.self) { try VMDescription(text: Array("{\"devices\": \(deep)".utf8)) }
        #expect(error?.description.contains("deep") == true)
    }

    @Test func readsEscapes() throws {
        let text = #"{"name": "a\"\\\/\b\f\n\r\tA\u00e9\ud83d\ude00", "instance_id": 0, "version": 1, "fields": []}"#
        #expect(try description(text).devices.first?.name == "a\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1F600}")
    }
}
