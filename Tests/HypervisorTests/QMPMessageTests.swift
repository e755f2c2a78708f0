import CPUModel
import Hypervisor
import Testing

@Suite struct QMPMessageTests {
    private static let samples = [
        #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}"#,
        #"{"return": {"a": [1, 2.5, true, null, "t"]}, "id": 7}"#,
        #"{"id": 8, "error": {"class": "GenericError", "desc": "no"}}"#,
        #"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#,
        #"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "JOB_STATUS_CHANGE", "data": {"status": "null", "id": "j"}}"#,
    ]

    @Test func kinds() throws {
        let messages = try Self.samples.map { try QMPMessage(line: Array($0.utf8)) }
        guard case .greeting(let version) = messages[0] else {
            Issue.record("no greeting")
            return
        }
        #expect(version == QEMURelease(QEMUVersion(7, 2, 22), package: "x"))
        #expect("\(version)" == "7.2.22 (x)")
        if case .success(let id, _) = messages[1] { #expect(id == 7) } else { Issue.record("no success") }
        if case .failure(let id, "GenericError", "no") = messages[2] {
            #expect(id == 8)
        } else {
            Issue.record("no failure")
        }
        if case .event(let event) = messages[3] {
            #expect(event.kind == .shutdown(byGuest: true, reason: "guest-reset"))
            #expect(event.seconds == 1 && event.microseconds == 2)
        } else {
            Issue.record("no event")
        }
        if case .event(let event) = messages[4] { #expect(event.kind == .jobStatusChange(id: "j", status: "null")) }
    }

    @Test func mutatedMessagesNeverTrap() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<4_000 {
            var bytes = Array(Self.samples.randomElement(using: &generator)?.utf8 ?? "".utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.insert(bytes[index], at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + 3))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            _ = try? QMPMessage(line: bytes)
        }
    }

    @Test func deeplyNestedMessageIsAnError() async throws {
        let bytes = [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
        let error = try await hypervisorError { _ = try QMPMessage(line: Array("{\"data\":".utf8) + bytes) }
        #expect(error.code == .malformedMessage)
    }

    @Test func linesAreCutAndBounded() async throws {
        var splitter = QMPLineSplitter(limit: 8)
        var lines: [String] = []
        for byte in "ab\r\n\r\n12345678\ncd".utf8 {
            try splitter.append([byte]) { lines.append(String(decoding: $0, as: UTF8.self)) }
        }
        #expect(lines == ["ab", "12345678"])
        let bounded = splitter
        let error = try await hypervisorError {
            var splitter = bounded
            try splitter.append(Array("efghijklmn".utf8)) { _ in }
        }
        #expect(error.code == .malformedMessage)
    }
}
