// swift-tools-version: 6.2

import PackageDescription

/// Every target of the package: Swift 6 language mode, warnings as errors.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
]

/// A C library of the system: its header and linker flag are in `Sources/<name>/module.modulemap`,
/// its Debian package also in `images/packages.txt`.
func systemLibrary(_ name: String, pkgConfig: String? = nil, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "stemma",
    targets: [
        systemLibrary("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
        systemLibrary("CLZ4", pkgConfig: "liblz4", apt: "liblz4-dev"),
        systemLibrary("CLibXML2", pkgConfig: "libxml-2.0", apt: "libxml2-dev"),
        systemLibrary("CLibvirt", pkgConfig: "libvirt", apt: "libvirt-dev"),
        systemLibrary("CZ3", apt: "libz3-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        systemLibrary("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        systemLibrary("CZydis", apt: "libzydis-dev"),

        .testTarget(
            name: "SystemLibrariesTests",
            dependencies: ["CCrypto", "CLZ4", "CLibXML2", "CLibvirt", "CZ3", "CZlib", "CZstd", "CZydis"],
            swiftSettings: settings),
    ]
)
