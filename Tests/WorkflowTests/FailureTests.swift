import ContentStore
import Hypervisor
import Lineage
import Testing
import VMState
import Workflow

/// The exit codes are a promise to scripts: each is fixed here.
@Suite struct FailureTests {
    @Test func everyKindOfErrorHasItsDocumentedCode() {
        let expected: [(any Error, Int32)] = [
            (WorkflowError(.usage, ""), 64),
            (LineageError(.badName, ""), 64),
            (VMStateError(.truncated, ""), 65),
            (StoreError(.damaged, ""), 65),
            (HypervisorError(.streamRefused(stderr: ""), ""), 65),
            (LineageError(.notFound, ""), 66),
            (HypervisorError(.notRunning, ""), 66),
            (HypervisorError(.qemuNotFound, ""), 69),
            (HypervisorError(.qemuFailed(exit: .code(1), stderr: ""), ""), 69),
            (LineageError(.exists, ""), 73),
            (StoreError(.noSpace, ""), 74),
            (VMStateError(.io, ""), 74),
            (HypervisorError(.alreadyRunning, ""), 75),
            (HypervisorError(.timeout, ""), 75),
            (WorkflowError(.busy, ""), 75),
            (HypervisorError(.interrupted, ""), 130),
            (CancellationError(), 130),
            (HypervisorError(.kvmUnusable(reason: ""), ""), 2),
        ]
        for (error, code) in expected { #expect(Failure(error)?.exitCode == code, "\(error)") }
    }

    @Test func errorsOfOthersAreLeftAlone() {
        struct Foreign: Error {}
        #expect(Failure(Foreign()) == nil)
    }

    @Test func theMessageIsThatOfTheError() {
        #expect(Failure(LineageError(.exists, "It exists."))?.message == "It exists.")
    }
}
