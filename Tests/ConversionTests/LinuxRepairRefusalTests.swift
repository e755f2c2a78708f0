import Conversion
import GuestInspection
import Testing
import VMState

/// Repairs of guests that they do not fit: the findings stay fatal, and say why.
@Suite struct LinuxRepairRefusalTests {
    private func context(memory: (any GuestMemory)?) throws -> CheckContext {
        var (stream, _) = try KVMLikeStream.make(.pc)
        try stream.edit("apic") { apic throws(VMStateError) in
            try apic.set("lvt[0]", to: 0x400ec)
            try apic.set("apicbase", to: 0xfee0_0d00)
        }
        var context = try KVMLikeStream.context(stream)
        context.memory = memory
        context.findKernel()
        return context
    }

    @Test func withoutKernelOrMemoryNothingIsRepaired() throws {
        let empty = ClosureMemory(pages: [0..<256]) { _, _ in false }
        var policy = ConversionPolicy.standard
        policy.repairs = .linux
        for (memory, reason) in [(nil, "memory cannot be read"), (empty, "no Linux kernel")]
            as [(ClosureMemory?, String)]
        {
            let context = try context(memory: memory)
            #expect(context.kernel == nil)
            let error = #expect(throws: ConversionError.self) {
                try SnapshotConverter().convert(context, policy: policy)
            }
            #expect(error?.findings.map(\.check) == ["C09", "C10"])
            #expect(error?.findings.allSatisfy { $0.remedy.contains(reason) } == true, "\(String(describing: error))")
        }
    }

    @Test func withoutLeaveOfThePolicyNothingIsTried() throws {
        let context = try context(memory: nil)
        let error = #expect(throws: ConversionError.self) {
            try SnapshotConverter().convert(context, policy: .standard)
        }
        #expect(error?.findings.allSatisfy { !$0.remedy.contains("repair") } == true)
    }
}
