/// The answers of a PS/2 device that wait for the host.
///
/// In QEMU's section they are a ring of 256 bytes of which at most 16 are in use.
struct PS2Queue: Sendable, Hashable {
    static let limit = 16
    /// Answers to the present command.
    private var answers: [UInt8] = []
    /// Bytes from a snapshot: keys and movements, behind which nothing comes any more.
    private var events: [UInt8]

    init(events: [UInt8] = []) { self.events = Array(events.prefix(Self.limit)) }

    var bytes: [UInt8] { answers + events }
    var isEmpty: Bool { answers.isEmpty && events.isEmpty }

    /// A new command makes the device forget what it was about to answer to the one before.
    mutating func answer(_ bytes: UInt8...) { answers = bytes }

    mutating func removeAll() {
        answers = []
        events = []
    }

    mutating func next() -> UInt8 {
        if !answers.isEmpty { return answers.removeFirst() }
        return events.isEmpty ? 0 : events.removeFirst()
    }
}

/// Bytes that both PS/2 devices answer with (IBM PS/2 Hardware Technical Reference, keyboard and auxiliary device).
enum PS2Reply {
    static let acknowledge: UInt8 = 0xFA
    static let resend: UInt8 = 0xFE
    static let selfTestPassed: UInt8 = 0xAA
}

/// A keyboard that answers commands and has no keys.
struct PS2Keyboard: Sendable, Hashable {
    var queue = PS2Queue()
    /// Command whose data byte comes next; -1 without.
    var command: Int32 = -1
    var isScanning = false
    /// The controller translates to scan code set 1.
    var isTranslated = false
    var scanCodeSet: Int32 = 2
    /// LEDs as the host has set them.
    var indicators: UInt8 = 0

    /// A byte from the host.
    mutating func write(_ byte: UInt8) {
        let pending = command
        command = -1
        switch pending {
        case 0xED:
            indicators = byte
            queue.answer(PS2Reply.acknowledge)
        case 0xF0: selectScanCodes(byte)
        case 0xF3: queue.answer(PS2Reply.acknowledge)
        default: execute(byte)
        }
    }

    private mutating func execute(_ byte: UInt8) {
        switch byte {
        // Indicators, scan code set, typematic rate: a data byte follows.
        case 0xED, 0xF0, 0xF3:
            command = Int32(byte)
            queue.answer(PS2Reply.acknowledge)
        case 0xEE: queue.answer(0xEE)
        // Identity AB 83; translated like a scan code to AB 41.
        case 0xF2: queue.answer(PS2Reply.acknowledge, 0xAB, isTranslated ? 0x41 : 0x83)
        case 0xF4: enable(true)
        case 0xF5:
            reset()
            enable(false)
        case 0xF6:
            reset()
            enable(true)
        case 0xFF:
            queue.removeAll()
            reset()
            isScanning = true
            queue.answer(PS2Reply.acknowledge, PS2Reply.selfTestPassed)
        case 0x05: queue.answer(PS2Reply.resend)
        default: queue.answer(PS2Reply.acknowledge)
        }
    }

    private mutating func enable(_ isEnabled: Bool) {
        isScanning = isEnabled
        queue.answer(PS2Reply.acknowledge)
    }

    private mutating func reset() {
        scanCodeSet = 2
        indicators = 0
    }

    /// 0 asks for the set, 1-3 choose one.
    private mutating func selectScanCodes(_ byte: UInt8) {
        switch byte {
        case 0:
            let raw = UInt8(truncatingIfNeeded: scanCodeSet)
            let translated: UInt8 = raw == 1 ? 0x43 : raw == 2 ? 0x41 : 0x3F
            queue.answer(PS2Reply.acknowledge, isTranslated ? translated : raw)
        case 1...3:
            scanCodeSet = Int32(byte)
            queue.answer(PS2Reply.acknowledge)
        default: queue.answer(PS2Reply.resend)
        }
    }
}

/// A mouse that answers commands and never moves, with the identities of wheel mice.
struct PS2Mouse: Sendable, Hashable {
    var queue = PS2Queue()
    var command: Int32 = -1
    /// Remote mode (bit 6), enabled (5), scaling 2:1 (4).
    var status: UInt8 = 0
    var resolution: UInt8 = 2
    var sampleRate: UInt8 = 100
    var isWrapping = false
    /// Identity: 0 PS/2, 3 with a wheel (IntelliMouse), 4 with five buttons.
    var identity: UInt8 = 0
    /// How much of the sequence of sample rates has been seen that switches the identity.
    var detection: UInt8 = 0

    private static let remote: UInt8 = 0x40
    private static let enabled: UInt8 = 0x20
    private static let doubled: UInt8 = 0x10

    /// A byte from the host.
    mutating func write(_ byte: UInt8) {
        let pending = command
        command = -1
        switch pending {
        case 0xE8:
            resolution = byte
            queue.answer(PS2Reply.acknowledge)
        case 0xF3:
            setSampleRate(byte)
            queue.answer(PS2Reply.acknowledge)
        default:
            if isWrapping, byte != 0xEC, byte != 0xFF { return queue.answer(byte) }
            execute(byte)
        }
    }

    private mutating func execute(_ byte: UInt8) {
        switch byte {
        case 0xE6: status &= ~Self.doubled
        case 0xE7: status |= Self.doubled
        case 0xE8, 0xF3: command = Int32(byte)
        case 0xE9: return queue.answer(PS2Reply.acknowledge, status, resolution, sampleRate)
        case 0xEA: status &= ~Self.remote
        case 0xEB: return answerPoll()
        case 0xEC: isWrapping = false
        case 0xEE: isWrapping = true
        case 0xF0: status |= Self.remote
        case 0xF2: return queue.answer(PS2Reply.acknowledge, identity)
        case 0xF4: status |= Self.enabled
        case 0xF5: status &= ~Self.enabled
        case 0xF6: setDefaults()
        case 0xFF:
            queue.removeAll()
            setDefaults()
            isWrapping = false
            identity = 0
            detection = 0
            return queue.answer(PS2Reply.acknowledge, PS2Reply.selfTestPassed, identity)
        default: return queue.answer(PS2Reply.resend)
        }
        queue.answer(PS2Reply.acknowledge)
    }

    private mutating func setDefaults() {
        sampleRate = 100
        resolution = 2
        status = 0
    }

    /// A packet without movement; identities 3 and 4 have a fourth byte.
    private mutating func answerPoll() {
        if identity == 0 {
            queue.answer(PS2Reply.acknowledge, 0x08, 0, 0)
        } else {
            queue.answer(PS2Reply.acknowledge, 0x08, 0, 0, 0)
        }
    }

    /// The rates 200, 100, 80 make the identity 3; 200, 200, 80 make it 4.
    private mutating func setSampleRate(_ rate: UInt8) {
        sampleRate = rate
        switch (detection, rate) {
        case (0, 200): detection = 1
        case (1, 100): detection = 2
        case (1, 200): detection = 3
        case (2, 80):
            identity = 3
            detection = 0
        case (3, 80):
            identity = 4
            detection = 0
        default: detection = 0
        }
    }
}
