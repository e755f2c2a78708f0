import CLibvirt
import Foundation

/// A connection to a libvirt driver; closed when its owner goes.
package struct LibvirtConnection: ~Copyable {
    private let libvirt: libvirt_library
    private let connection: virConnectPtr
    /// As the user wrote it.
    package let uri: String

    /// Connects.
    ///
    /// - Parameter uri: for example `qemu:///system`, `qemu:///session`, `test:///default`, or
    ///   `qemu:///embed?root=/DIRECTORY`, which loads the driver into this process.
    /// - Throws: ``LibvirtError`` with `.unreachable` and libvirt's words.
    package init(uri: String) throws(LibvirtError) {
        let libvirt = try LibvirtLibrary.loaded.get().functions
        guard let connection = libvirt.virConnectOpen(uri) else {
            throw LibvirtError(
                .unreachable,
                "libvirt cannot be reached at '\(uri)': \(Self.lastError(libvirt)). For qemu:///system the daemon has to run, and you "
                    + "have to be in the group libvirt.")
        }
        self.libvirt = libvirt
        self.connection = connection
        self.uri = uri
    }

    deinit { _ = libvirt.virConnectClose(connection) }

    private static func lastError(_ libvirt: libvirt_library) -> String {
        libvirt.virGetLastErrorMessage().map { String(cString: $0) } ?? "no reason given"
    }

    private func failure(_ what: String) -> LibvirtError {
        let isUnsupported = libvirt.virGetLastErrorCode() == Int32(VIR_ERR_NO_SUPPORT.rawValue)
        return LibvirtError(
            isUnsupported ? .unsupported : .refused, "libvirt at '\(uri)' could not \(what): \(Self.lastError(libvirt))"
        )
    }

    /// Takes over a string that libvirt allocated.
    private func text(_ string: UnsafeMutablePointer<CChar>?, _ what: String) throws(LibvirtError) -> String {
        guard let string else { throw failure(what) }
        defer { free(string) }
        return String(cString: string)
    }

    // MARK: Domains

    /// A domain's XML.
    package struct Domain: Sendable, Hashable {
        package let name: String
        package let xml: String
        /// Its guest runs or is paused: files of its disks change.
        package let isActive: Bool
    }

    /// A domain by its name: the XML that it has when it is next started.
    package func domain(named name: String) throws(LibvirtError) -> Domain {
        guard let domain = libvirt.virDomainLookupByName(connection, name) else {
            throw LibvirtError(.noDomain, "libvirt at '\(uri)' has no domain '\(name)': \(Self.lastError(libvirt))")
        }
        defer { _ = libvirt.virDomainFree(domain) }
        let flags = UInt32(VIR_DOMAIN_XML_INACTIVE.rawValue) | UInt32(VIR_DOMAIN_XML_UPDATE_CPU.rawValue)
        let xml = libvirt.virDomainGetXMLDesc(domain, flags) ?? libvirt.virDomainGetXMLDesc(domain, 0)
        return Domain(
            name: name, xml: try text(xml, "describe the domain '\(name)'"),
            isActive: libvirt.virDomainIsActive(domain) == 1)
    }

    /// Makes a domain of XML, or changes the one of the same name and UUID; it is not started.
    package func define(xml: String) throws(LibvirtError) {
        guard let domain = libvirt.virDomainDefineXMLFlags(connection, xml, UInt32(VIR_DOMAIN_DEFINE_VALIDATE.rawValue))
        else {
            throw failure("define the domain")
        }
        _ = libvirt.virDomainFree(domain)
    }

    /// Whether there is a domain of a name.
    package func hasDomain(named name: String) -> Bool {
        guard let domain = libvirt.virDomainLookupByName(connection, name) else { return false }
        _ = libvirt.virDomainFree(domain)
        return true
    }

    // MARK: CPUs

    /// What the driver's QEMU can do for an accelerator: `qemu` (TCG) or `kvm`.
    package func domainCapabilities(virtualization: String) throws(LibvirtError) -> String {
        try text(
            libvirt.virConnectGetDomainCapabilities(connection, nil, "x86_64", nil, virtualization, 0),
            "tell what its QEMU can do")
    }

    /// The host's capabilities.
    package func capabilities() throws(LibvirtError) -> String {
        try text(libvirt.virConnectGetCapabilities(connection), "tell what its host can do")
    }

    /// How a CPU compares to what the hypervisor provides.
    package enum Comparison: Sendable, Hashable {
        /// Not everything is provided; libvirt's words name what is missing.
        case incompatible(String)
        case identical
        /// The hypervisor provides more.
        case superset
    }

    /// Compares a `<cpu>` with what the hypervisor provides for an accelerator: libvirt's CompareHypervisorCPU.
    package func compareHypervisorCPU(xml: String, virtualization: String) throws(LibvirtError) -> Comparison {
        let flags = UInt32(VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE.rawValue)
        let result = libvirt.virConnectCompareHypervisorCPU(connection, nil, "x86_64", nil, virtualization, xml, flags)
        if result == Int32(VIR_CPU_COMPARE_IDENTICAL.rawValue) { return .identical }
        if result == Int32(VIR_CPU_COMPARE_SUPERSET.rawValue) { return .superset }
        if result == Int32(VIR_CPU_COMPARE_INCOMPATIBLE.rawValue) { return .incompatible("") }
        if libvirt.virGetLastErrorCode() == Int32(VIR_ERR_CPU_INCOMPATIBLE.rawValue) {
            return .incompatible(Self.lastError(libvirt))
        }
        throw failure("compare the CPU")
    }

    /// The most that several `<cpu>` have in common and the hypervisor provides: libvirt's BaselineHypervisorCPU.
    package func baselineHypervisorCPU(xml: [String], virtualization: String) throws(LibvirtError) -> String {
        var documents = xml.map { UnsafePointer(strdup($0)) }
        defer { for document in documents { free(UnsafeMutablePointer(mutating: document)) } }
        let result = documents.withUnsafeMutableBufferPointer { buffer in
            libvirt.virConnectBaselineHypervisorCPU(
                connection, nil, "x86_64", nil, virtualization, buffer.baseAddress, UInt32(buffer.count), 0)
        }
        return try text(result, "compute a baseline")
    }
}
