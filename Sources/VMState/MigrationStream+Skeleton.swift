extension MigrationStream {
    /// The stream without RAM contents as bytes: itself a migration stream (see the module's documentation).
    package func skeleton() throws(VMStateError) -> [UInt8] {
        var output = ArrayByteOutput()
        try MigrationStreamWriter().writeSkeleton(self, to: &output)
        return output.bytes
    }

    /// Reads what `skeleton()` made. A stream with RAM contents is refused.
    package init(skeleton bytes: [UInt8], limits: StreamLimits = StreamLimits()) throws(VMStateError) {
        var sink = RefusingPageSink()
        var reader = MigrationStreamReader(ArrayByteSource(bytes))
        reader.limits = limits
        self = try reader.read(pages: &sink)
    }
}

/// A sink for streams that must not contain pages.
private struct RefusingPageSink: RAMPageSink {
    mutating func data(block: Int, page: UInt64, bytes: RawSpan) throws { throw refusal }
    mutating func zero(block: Int, page: UInt64) throws { throw refusal }

    private var refusal: VMStateError {
        VMStateError(.malformed, "a stored device state contains RAM pages; it is damaged")
    }
}
