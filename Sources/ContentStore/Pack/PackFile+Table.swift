/// The frame table of a pack.
struct FrameTable: Sendable {
    var places: [FramePlace]
    var objects: UInt32
    var plainBytes: UInt64
}

/// All that can be found out about the objects of a pack from the pack alone.
struct PackContents: Sendable {
    /// Each object, in the order of the pack.
    var entries: [(digest: Digest, place: FramePlace)] = []
    /// What was wrong with the pack, if something was; the entries are those before it.
    var damage: StoreError?
}

extension PackFile {
    /// Reads and checks header, trailer and frame table.
    func frameTable() throws(StoreError) -> FrameTable {
        guard size >= UInt64(PackFormat.headerSize + PackFormat.trailerSize) else {
            throw damage("the pack is cut short", at: size)
        }
        guard size < PackFormat.maximumSize else { throw damage("the pack is too large", at: 0) }
        let header = try read(at: 0, count: PackFormat.headerSize)
        guard PackFormat.isHeader(header.span.bytes) else { throw damage("the header of the pack is wrong", at: 0) }
        let trailerOffset = size - UInt64(PackFormat.trailerSize)
        let trailerBytes = try read(at: trailerOffset, count: PackFormat.trailerSize)
        guard let trailer = PackTrailer(parsing: trailerBytes.span.bytes, packSize: size) else {
            throw damage("the trailer of the pack is wrong or cut off", at: trailerOffset)
        }
        // The trailer's numbers were checked against the size of the file, which bounds what is read here.
        let table = try read(at: trailer.tableOffset, count: Int(trailer.frames) * PackFormat.tableEntrySize)
        let crc = CRC32C.checksum(Array(trailerBytes[..<28]), continuing: CRC32C.checksum(table))
        guard crc == trailer.crc else { throw damage("the frame table is damaged", at: trailer.tableOffset) }
        var places: [FramePlace] = []
        places.reserveCapacity(Int(trailer.frames))
        var position = UInt64(PackFormat.headerSize)
        let bytes = table.span.bytes
        for index in 0..<Int(trailer.frames) {
            guard
                let offset = bytes.integer(UInt32.self, at: 8 * index),
                let frameSize = bytes.integer(UInt32.self, at: 8 * index + 4), UInt64(offset) == position
            else { throw damage("the frame table has gaps", at: trailer.tableOffset + UInt64(8 * index)) }
            places.append(FramePlace(offset: offset, size: frameSize))
            position += UInt64(frameSize)
        }
        guard position == trailer.tableOffset else {
            throw damage("the frame table does not cover the pack", at: trailer.tableOffset)
        }
        return FrameTable(places: places, objects: trailer.objects, plainBytes: trailer.plainBytes)
    }

    /// Lists the objects of the pack from its frame table and frame headers, or, when those are damaged, by walking the frames
    /// from the start up to the first damaged one.
    ///
    /// - Throws: only failures of the system; damage is part of the result, as are sectors that cannot be read.
    func contents() throws(StoreError) -> PackContents {
        do throws(StoreError) {
            let table = try frameTable()
            var contents = PackContents()
            for place in table.places {
                do throws(StoreError) {
                    let header = try frameHeader(at: UInt64(place.offset))
                    guard header.frameSize == Int(place.size) else {
                        throw damage("a frame has another size than the frame table says", at: UInt64(place.offset))
                    }
                    for record in header.records { contents.entries.append((record.digest, place)) }
                } catch {
                    // The other frames can still be found.
                    guard error.isDamage else { throw error }
                    contents.damage = contents.damage ?? error
                }
            }
            return contents
        } catch {
            guard error.isDamage else { throw error }
            var contents = try walk()
            contents.damage = error
            return contents
        }
    }

    private func walk() throws(StoreError) -> PackContents {
        var contents = PackContents()
        var position = UInt64(PackFormat.headerSize)
        while position < min(size, PackFormat.maximumSize) {
            let header: FrameHeader
            do throws(StoreError) {
                header = try frameHeader(at: position)
            } catch {
                guard error.isDamage else { throw error }
                break
            }
            guard UInt64(header.frameSize) <= size - position, let offset = UInt32(exactly: position) else { break }
            let place = FramePlace(offset: offset, size: UInt32(header.frameSize))
            for record in header.records { contents.entries.append((record.digest, place)) }
            position += UInt64(header.frameSize)
        }
        return contents
    }
}
