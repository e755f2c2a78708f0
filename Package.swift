// swift-tools-version: 6.2

import PackageDescription

/// `Tests/fuzz` builds everything with libFuzzer's and AddressSanitizer's instrumentation.
let isFuzzing = Context.environment["STEMMA_FUZZ"] == "1"
let sanitizers = ["-sanitize=fuzzer,address"]

/// Every target of the package: Swift 6 language mode, warnings as errors.
let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .treatAllWarnings(as: .error),
        .enableExperimentalFeature("Lifetimes"),
        // Where libxml2's headers are. What pkg-config says would link the library besides.
        .unsafeFlags(["-Xcc", "-I/usr/include/libxml2"]),
    ] + (isFuzzing ? [.unsafeFlags(sanitizers)] : [])

/// What a program starts with is what a user waits for with every command: Swift's own libraries become part of `stemma`, and
/// no library is brought along that nothing in it calls by name (`Sources/CLibraries` loads the large ones when they are used).
let quickStart = [
    "-static-stdlib", "-lCoreFoundation", "-l_FoundationCollections", "-l_FoundationCShims", "-l_FoundationICU",
    "-Xlinker", "--as-needed",
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// Tests that loop over much, as `loops` says, are optimised like what they test. Over the others, which wait for processes or look at little, the
/// optimiser would take longer than they run.
func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], loops: Bool = false
) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, exclude: exclude,
        swiftSettings: settings + (loops ? [] : [.unsafeFlags(["-Onone"])]))
}

/// A C library of the system: its header and linker flag are in `Sources/<name>/module.modulemap`,
/// its Debian package also in `images/packages.txt`.
func systemLibrary(_ name: String, pkgConfig: String? = nil, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "stemma",
    products: [.executable(name: "stemma", targets: ["stemma"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        systemLibrary("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
        systemLibrary("CExt2FS", pkgConfig: "ext2fs", apt: "libext2fs-dev"),
        systemLibrary("CISAL", pkgConfig: "libisal", apt: "libisal-dev"),
        systemLibrary("CLZ4", pkgConfig: "liblz4", apt: "liblz4-dev"),
        systemLibrary("CLibXML2", apt: "libxml2-dev"),
        systemLibrary("CLibvirt", apt: "libvirt-dev"),
        systemLibrary("CNBD", apt: "libnbd-dev"),
        systemLibrary("CZ3", apt: "libz3-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        systemLibrary("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        systemLibrary("CZydis", apt: "libzydis-dev"),

        module("ContentStore", ["CCrypto", "CISAL", "CLZ4", "CZstd"]),
        module("BlockService", ["ContentStore"]),
        module("DiskImage", ["CNBD", "CZlib", "CZstd"]),
        module("VMState", ["DiskImage"]),
        module("X86", ["CZydis"]),
        module("CPUModel", ["CLibXML2", "Yams"]),
        module("GuestFiles", ["CExt2FS"]),
        module("GuestInspection"),
        module("Hypervisor", ["CPUModel"] + nio),
        module("LibvirtBridge", ["CLibvirt", "CPUModel"]),
        module("Conversion", ["VMState", "CPUModel", "GuestInspection", "Yams"]),
        module("Expressions", ["CZ3"]),
        module("PCDevices", ["VMState"]),
        module("Machine", ["PCDevices", "X86", "VMState"]),
        module("Exploration", ["Machine", "Expressions", "X86"]),
        module("ImageRecipe", ["CExt2FS", "Yams"]),
        module("Lineage", ["ContentStore"]),
        module(
            "Workflow",
            [
                "BlockService", "CPUModel", "ContentStore", "Conversion", "DiskImage", "Exploration", "Expressions",
                "GuestFiles", "GuestInspection", "Hypervisor", "ImageRecipe", "LibvirtBridge", "Lineage", "Machine",
                "VMState",
            ]),
        module("Benchmarking", ["Workflow"]),
        module(
            "StoreBenchmark",
            ["Benchmarking", "CNBD", "ContentStore", "DiskImage", "Hypervisor", "Lineage", "Workflow"]),
        .target(
            name: "EngineBenchmark",
            dependencies: [
                "Benchmarking", "Hypervisor", "ImageRecipe", "Lineage", "Machine", "Workflow", "X86",
            ],
            // The script goes into the program, which is one file.
            resources: [.embedInCode("Peers/bare-program.py")], swiftSettings: settings),
        .executableTarget(
            name: "stemma",
            dependencies: [
                "Benchmarking", "EngineBenchmark", "Lineage", "StoreBenchmark", "Workflow",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings, linkerSettings: [.unsafeFlags(quickStart)]),

        .executableTarget(
            name: "store-torture", dependencies: ["ContentStore"], path: "Tests/StoreTorture", swiftSettings: settings),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        tests(
            "SystemLibraries",
            [
                "CCrypto", "CExt2FS", "CISAL", "CLZ4", "CLibXML2", "CLibvirt", "CNBD", "CZ3", "CZlib", "CZstd",
                "CZydis",
            ]),
        tests("ContentStore", ["ContentStore", "store-torture"], loops: true),
        tests("BlockService", ["BlockService", "ContentStore"], loops: true),
        tests("DiskImage", ["DiskImage"], loops: true),
        tests("VMState", ["VMState", "DiskImage"]),
        tests("X86", ["X86"], loops: true),
        tests("CPUModel", ["CPUModel"], exclude: ["Samples"]),
        tests("GuestFiles", ["GuestFiles", "TestSupport"], loops: true),
        tests("GuestInspection", ["GuestInspection", "TestSupport"]),
        tests("Hypervisor", ["Hypervisor", "CPUModel", "TestSupport"]),
        tests("LibvirtBridge", ["LibvirtBridge", "CPUModel", "Hypervisor"]),
        tests("Conversion", ["Conversion", "VMState", "CPUModel", "GuestInspection", "TestSupport"]),
        tests("Expressions", ["Expressions"], loops: true),
        tests("PCDevices", ["PCDevices", "VMState"], loops: true),
        tests("Machine", ["Machine", "PCDevices", "VMState", "X86"], loops: true),
        tests("Exploration", ["Exploration", "Machine", "Expressions", "X86"], loops: true),
        tests("ImageRecipe", ["ImageRecipe"]),
        tests("Lineage", ["Lineage", "ContentStore"], loops: true),
        tests(
            "Workflow",
            [
                "Workflow", "BlockService", "CPUModel", "ContentStore", "Conversion", "Hypervisor", "Lineage",
                "VMState",
            ]),
        tests("Benchmarking", ["Benchmarking", "Workflow"]),
        tests("StoreBenchmark", ["StoreBenchmark"]),
        tests(
            "EngineBenchmark", ["Benchmarking", "EngineBenchmark", "ImageRecipe", "Machine", "Workflow"]),
        tests("EndToEnd", ["CPUModel", "Conversion", "GuestInspection", "VMState"]),
    ]
)

if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "stemma-fuzz",
            dependencies: [
                "BlockService", "CPUModel", "ContentStore", "Conversion", "DiskImage", "GuestFiles", "GuestInspection",
                "VMState",
            ],
            path: "Tests/Fuzzing", swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
            // The gold linker breaks off with AddressSanitizer's symbols.
            linkerSettings: [.unsafeFlags(sanitizers + ["-use-ld=lld"])]))
    package.products = [.executable(name: "stemma-fuzz", targets: ["stemma-fuzz"])]
}
