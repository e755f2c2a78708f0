/// Numbers of the NBD protocol (doc/proto.md, "Values").
enum NBDWire {
    /// "NBDMAGIC"
    static let serverMagic: UInt64 = 0x4e42_444d_4147_4943
    /// "IHAVEOPT"
    static let optionMagic: UInt64 = 0x4948_4156_454f_5054
    static let optionReplyMagic: UInt64 = 0x0003_e889_0455_65a9
    static let requestMagic: UInt32 = 0x2560_9513
    static let simpleReplyMagic: UInt32 = 0x6744_6698
    static let chunkMagic: UInt32 = 0x668e_33ef

    static let requestLength = 28
    /// The largest READ and the largest payload of a WRITE.
    static let maximumPayload: UInt32 = 32 << 20
    /// Of exports that are only read: the store's chunk.
    static let preferredBlock: UInt32 = 64 << 10
    /// Of exports that can be written to: the overlay's block.
    static let preferredWriteBlock: UInt32 = 4 << 10
    static let minimumBlock: UInt32 = 1

    static let allocationContext = "base:allocation"
    static let allocationContextID: UInt32 = 1

    /// Flags of the server's greeting; the client's flags have the same bits.
    enum HandshakeFlag {
        static let fixedNewstyle: UInt16 = 1 << 0
        static let noZeroes: UInt16 = 1 << 1
    }

    enum TransmissionFlag {
        static let hasFlags: UInt16 = 1 << 0
        static let readOnly: UInt16 = 1 << 1
        static let sendFlush: UInt16 = 1 << 2
        static let sendFUA: UInt16 = 1 << 3
        static let sendTrim: UInt16 = 1 << 5
        static let sendWriteZeroes: UInt16 = 1 << 6
        static let sendDF: UInt16 = 1 << 7
        static let canMultiConn: UInt16 = 1 << 8
        static let sendCache: UInt16 = 1 << 10
        static let sendFastZero: UInt16 = 1 << 11
    }

    enum Option: UInt32 {
        case exportName = 1
        case abort = 2
        case list = 3
        case info = 6
        case go = 7
        case structuredReply = 8
        case listMetaContext = 9
        case setMetaContext = 10
    }

    enum OptionReply: UInt32 {
        case ack = 1
        case server = 2
        case info = 3
        case metaContext = 4
        case unsupported = 0x8000_0001
        case invalid = 0x8000_0003
        case unknown = 0x8000_0006
    }

    enum Info: UInt16 {
        case export = 0
        case name = 1
        case description = 2
        case blockSize = 3
    }

    enum Command: UInt16 {
        case read = 0
        case write = 1
        case disconnect = 2
        case flush = 3
        case trim = 4
        case cache = 5
        case writeZeroes = 6
        case blockStatus = 7
    }

    enum CommandFlag {
        static let forceUnitAccess: UInt16 = 1 << 0
        static let noHole: UInt16 = 1 << 1
        static let dontFragment: UInt16 = 1 << 2
        static let requestOne: UInt16 = 1 << 3
        static let fastZero: UInt16 = 1 << 4
    }

    enum Chunk: UInt16 {
        case none = 0
        case offsetData = 1
        case offsetHole = 2
        case blockStatus = 5
        case error = 0x8001
    }

    static let chunkDone: UInt16 = 1 << 0

    enum Errno: UInt32 {
        case permission = 1
        case io = 5
        case invalid = 22
        case noSpace = 28
        case unsupported = 95
    }

    /// What an extent of zeros is in `base:allocation`: a hole (bit 0) that reads as zeros (bit 1).
    static let stateHoleAndZero: UInt32 = 3
}
