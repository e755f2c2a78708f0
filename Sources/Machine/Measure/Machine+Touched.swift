extension Machine {
    /// Pages of RAM and ROM that are in memory because this state, or a relative, has read or written them: those of the snapshot that
    /// are not zero, and those that this state has written, each once.
    package var touchedPageCount: Int {
        let written = memory.writtenPages()
        return base.loadedPageCount + written.count - written.count { base.holds($0) }
    }
}
