import PCDevices
import Testing

@Suite struct InterruptMessageTests {
    @Test func messagesAreTakenApart() throws {
        let message = try #require(InterruptMessage(address: 0xFEE0_300C, data: 0x4931))
        #expect(
            message
                == InterruptMessage(
                    vector: 0x31, delivery: .lowestPriority, isLogical: true, isLevelTriggered: false, destination: 3))
    }

    @Test func anExtendedDestinationHasFifteenBits() throws {
        let message = try #require(InterruptMessage(address: 0xFEE0_1020, data: 0x31, isExtended: true))
        #expect(message.destination == 0x101)
    }

    @Test(arguments: [(0xFED0_0000, 0x31), (0xFEE0_0000, 0x331)] as [(UInt64, UInt32)])
    func whatIsNoInterruptIsNone(address: UInt64, data: UInt32) {
        #expect(InterruptMessage(address: address, data: data) == nil)
    }
}
