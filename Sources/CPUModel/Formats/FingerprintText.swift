/// Texts of which a fingerprint can be read, told apart by what they look like.
package struct FingerprintText: Sendable {
    /// Gives the features of a model that a text names: libvirt's for XML.
    package typealias ModelSource = @Sendable (String) throws(CPUModelError) -> CPUFingerprint?

    package let text: String
    /// Where the text comes from, for messages and for the fingerprint's source.
    package let name: String
    /// The model to take from a list of definitions.
    package let model: String?

    package init(_ text: String, name: String, model: String? = nil) {
        (self.text, self.name, self.model) = (text, name, model)
    }

    /// Reads it.
    ///
    /// - Throws: ``CPUModelError``: what is wrong with the text, or that it is of no known form.
    package func fingerprint(libvirtModels: ModelSource) throws(CPUModelError) -> CPUFingerprint {
        let start = text.drop { $0.isWhitespace || $0 == "\u{feff}" }
        func source(_ kind: FingerprintSource.Kind) -> FingerprintSource { FingerprintSource(kind, detail: name) }
        if start.hasPrefix("<") {
            let cpu = try LibvirtCPU(xml: text)
            return try CPUFingerprint(libvirt: cpu, source: source(cpu.kind), model: libvirtModels)
        }
        if start.hasPrefix("{") || start.hasPrefix("[") {
            if let own = try CPUFingerprint(json: text, name: name) { return own }
            return try CPUFingerprint(qmp: text, model: model, source: source)
        }
        if CPUFingerprint.isCPUIDDump(text) { return try CPUFingerprint(cpuidDump: text, source: source(.cpuid)) }
        if text.split(whereSeparator: \.isNewline).contains(where: { $0.hasPrefix("vendor_id") }) {
            return try CPUFingerprint(cpuinfo: text, source: source(.cpuinfo))
        }
        if text.split(whereSeparator: \.isNewline).contains(where: { $0.hasPrefix("c 00000000 00000000 ") }) {
            return try CPUFingerprint(probe: text, source: source(.probe))
        }
        throw CPUModelError(
            .unknownFormat,
            "\(name) tells nothing about a CPU in a form that is known. Give the output of 'stemma cpu probe --json', "
                + "'cpuid -1 -r', /proc/cpuinfo, an answer of QEMU's monitor (query-cpu-model-expansion, "
                + "query-cpu-definitions), or libvirt's XML of a domain or of capabilities.")
    }
}
