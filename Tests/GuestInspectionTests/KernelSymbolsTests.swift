import Foundation
import GuestInspection
import TestSupport
import Testing

/// Symbol tables that are built here as the kernel's build does.
@Suite struct KernelSymbolsTests {
    static let base: UInt64 = 0xffff_ffff_9a40_0000

    /// Symbols of a made-up kernel: per-CPU variables first, then code.
    static func symbols(_ count: Int = 1500, perCPU: Int = 40) -> [(String, UInt64)] {
        (0..<count).map { index in
            index < perCPU
                ? ("Apercpu_\(index)", UInt64(index) * 64)
                : ("tfunction_\(index)_of_many", base + UInt64(index - perCPU) * 48)
        }
    }

    static func table(
        _ symbols: [(String, UInt64)], modern: Bool, form: KernelSymbols.AddressForm
    ) -> [UInt8] {
        KernelSymbolTable.bytes(symbols, base: base, modern: modern, absolutePerCPU: form == .absolutePerCPU)
    }

    private let kernel = base..<base + (64 << 20)

    @Test(arguments: [false, true], [KernelSymbols.AddressForm.relative, .absolutePerCPU])
    func findsTheTable(modern: Bool, form: KernelSymbols.AddressForm) throws {
        let list = Self.symbols(perCPU: form == .relative ? 0 : 40)
        let bytes = Self.table(list, modern: modern, form: form)
        let found = try #require(KernelSymbols(searching: bytes, kernel: kernel))
        #expect(found.count == list.count)
        #expect(found.base == Self.base)
        #expect(found.form == form)
        for (index, (name, address)) in list.enumerated() {
            let symbol = try #require(found.symbol(index))
            #expect(symbol.name == name.dropFirst() && symbol.kind == name.first && symbol.address == address)
        }
        let looked = found.symbols(named: ["function_700_of_many", "nothing"])
        #expect(looked["function_700_of_many"]?.map(\.address) == [list[700].1])
        #expect(looked["nothing"] == nil)
        #expect(found.symbol(at: list[700].1 + 5)?.symbol.name == "function_700_of_many")
        #expect(found.symbol(at: list[700].1 + 5)?.offset == 5)
        #expect(found.end(ofSymbolAt: list[700].1) == list[701].1)
        #expect(found.symbols(withPrefix: "function_14").count == list.count { $0.0.hasPrefix("tfunction_14") })
    }

    @Test func namesOf128TokensAndMore() throws {
        var list = Self.symbols()
        list[900].0 = "t" + String(repeating: "x", count: 300)
        let bytes = Self.table(list, modern: true, form: .absolutePerCPU)
        let found = try #require(KernelSymbols(searching: bytes, kernel: kernel))
        #expect(found.symbol(900)?.name.count == 300)
        #expect(found.symbol(901)?.address == list[901].1)
    }

    @Test func tablesOfOtherKernelsAreNotTaken() {
        let bytes = Self.table(Self.symbols(), modern: true, form: .absolutePerCPU)
        #expect(KernelSymbols(searching: bytes, kernel: 0xffff_ffff_8000_0000..<0xffff_ffff_8100_0000) == nil)
        #expect(KernelSymbols(searching: [], kernel: kernel) == nil)
        #expect(KernelSymbols(searching: Array(bytes.prefix(9000)), kernel: kernel) == nil)
    }

    @Test func damagedTablesNeverTrap() {
        let bytes = Self.table(Self.symbols(1100), modern: false, form: .absolutePerCPU)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var damaged = bytes
            for _ in 0..<4 {
                damaged[Int.random(in: 0..<damaged.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let found = KernelSymbols(searching: damaged, kernel: kernel) else { continue }
            #expect(found.count == 1100)
            _ = found.symbols(named: ["function_700_of_many"])
            _ = found.symbol(at: Self.base + 1000)
        }
    }
}
