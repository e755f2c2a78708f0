import Glibc
import Testing

/// Programs that a build starts.
@Suite struct ToolTests {
    @Test func aProgramInheritsNothingButItsStreams() throws {
        // As a library or the process that started this one may leave them.
        let first = open("/dev/null", O_RDWR)
        let second = fcntl(first, F_DUPFD, 22)
        defer { for descriptor in [first, second] { close(descriptor) } }
        #expect(second >= 22)
        let (status, output) = try run(
            ["sh", "-c", "for file in /proc/$$/fd/*; do echo ${file##*/}; done"], in: TemporaryDirectory())
        #expect(status == 0)
        // The shell's own streams; a directory that it reads is closed again.
        #expect(output.split(separator: "\n").filter { $0 != "3" } == ["0", "1", "2"], "\(output)")
    }
}
