import Foundation
import Glibc
import Machine
import Synchronization

/// Runs a machine on one thread: its time, its console, and the wishes of other threads.
///
/// The wishes are done between two steps of the machine, when no processor is in the middle of its turn.
final class NativeDriver: Sendable {
    /// What other threads want; taken by the machine's thread.
    private struct Wishes {
        var isStopped = false
        var isOver = false
        var work: [@Sendable (Machine?) -> Void] = []
    }

    private let wishes = Mutex(Wishes())
    private let wakeUp: WakeUp
    private let request: NativeRunRequest

    /// Virtual nanoseconds between two looks at the console and the wishes.
    private static let step: UInt64 = 2_000_000
    /// Bytes of the console that a report keeps.
    private static let tailSize = 64 << 10

    init(_ request: NativeRunRequest) throws {
        self.request = request
        wakeUp = try WakeUp()
    }

    /// Ends the run soon.
    func stop() {
        wishes.withLock { $0.isStopped = true }
        wakeUp.signal()
    }

    /// Has a piece of work done on the machine's thread; without a machine when the run has ended.
    func perform(_ work: @escaping @Sendable (Machine?) -> Void) {
        let isOver = wishes.withLock { wishes in
            if !wishes.isOver { wishes.work.append(work) }
            return wishes.isOver
        }
        if isOver { work(nil) } else { wakeUp.signal() }
    }

    /// Nothing more is done on the machine.
    func finish() {
        let left = wishes.withLock { wishes in
            defer { wishes.work = [] }
            wishes.isOver = true
            return wishes.work
        }
        for work in left { work(nil) }
    }

    /// What came of a run.
    struct Result: Sendable {
        var end: NativeRunReport.End
        var detail = ""
        var console: [UInt8]
    }

    /// Runs until something ends it. Call it on a thread that has nothing else to do, and ``finish()`` afterwards.
    func run(_ machine: Machine) throws -> Result {
        var console = NativeConsole(request)
        let begin = machine.virtualTime
        let limit = request.virtualSeconds.map { begin &+ UInt64($0 * 1e9) } ?? .max
        let clock = ContinuousClock()
        let start = clock.now
        while true {
            let (isStopped, work) = wishes.withLock { wishes in
                defer { wishes.work = [] }
                return (wishes.isStopped, wishes.work)
            }
            for piece in work { piece(machine) }
            if isStopped { return console.result(.user) }
            if request.isHeadless, request.until != nil, clock.now - start > request.timeout {
                throw WorkflowError(
                    .timeout,
                    "'\(request.until ?? "")' did not appear within \(Int(request.timeout.seconds)) s; the console so far:\n"
                        + String(decoding: console.tail.suffix(2000), as: UTF8.self))
            }
            console.deliver(to: machine)
            let exit = machine.runAll(until: min(machine.virtualTime &+ Self.step, limit))
            if console.take(from: machine) { return console.result(.text) }
            switch exit {
            case .budget:
                if machine.virtualTime >= limit { return console.result(.time) }
                if console.poll() { return console.result(.user) }
            case .idle(let until):
                let passed = UInt64(max((clock.now - start).seconds, 0) * 1e9)
                let due = min(until, limit)
                if request.isHeadless {
                    machine.skipIdleTime(to: due)
                } else if begin &+ passed >= due {
                    machine.skipIdleTime(to: due)
                } else {
                    if console.wait(wakeUp, .nanoseconds(Int64(clamping: due - begin - passed))) {
                        return console.result(.user)
                    }
                    let now = begin &+ UInt64(max((clock.now - start).seconds, 0) * 1e9)
                    machine.skipIdleTime(to: min(now, due))
                }
                if machine.virtualTime >= limit { return console.result(.time) }
            case .halted:
                return console.result(.halted, "every CPU waits with its interrupts off, or for one that cannot come")
            case .shutdown(let reason):
                return console.result(reason.hasPrefix("reset") ? .reset : .powerOff, reason)
            case .hypercall, .s2eOpcode:
                // Nobody explores here: to the guest they are instructions without effect.
                break
            default:
                return console.result(.unsupported, machine.explain(exit))
            }
        }
    }
}

/// The serial console of a run: a terminal, or a collector.
struct NativeConsole: ~Copyable {
    private var terminal: NativeTerminal?
    private let until: [UInt8]?
    private var input: [UInt8]
    /// The last part of what the guest has written.
    private(set) var tail: [UInt8] = []
    private static let tailSize = 64 << 10

    init(_ request: NativeRunRequest) {
        terminal = request.isHeadless ? nil : NativeTerminal()
        until = request.until.map { Array($0.utf8) }
        input = request.input
    }

    func result(_ end: NativeRunReport.End, _ detail: String = "") -> NativeDriver.Result {
        NativeDriver.Result(end: end, detail: detail, console: tail)
    }

    /// Gives the guest what was typed, as far as its port takes it.
    mutating func deliver(to machine: Machine) {
        if !input.isEmpty { input.removeFirst(min(machine.sendConsoleInput(input), input.count)) }
        terminal?.deliver { machine.sendConsoleInput($0) }
    }

    /// Takes what the guest has written. True when the text that is waited for has appeared.
    mutating func take(from machine: Machine) -> Bool {
        let output = machine.takeConsoleOutput()
        guard !output.isEmpty else { return false }
        if terminal != nil { writeConsole(output) }
        // The text may begin in what came before.
        let overlap = max((until?.count ?? 1) - 1, 0)
        let searched = tail.suffix(overlap) + output
        tail += output
        if tail.count > 2 * Self.tailSize { tail.removeFirst(tail.count - Self.tailSize) }
        guard let until else { return false }
        return searched.firstRange(of: until) != nil
    }

    /// Looks for keys. True when the user wants to end.
    mutating func poll() -> Bool {
        guard terminal != nil else { return false }
        var polled = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard terminal?.isClosed == false, Glibc.poll(&polled, 1, 0) > 0 else { return false }
        return readKeys()
    }

    /// Waits for keys, a wish, or the time. True when the user wants to end.
    mutating func wait(_ wakeUp: WakeUp, _ duration: Duration) -> Bool {
        if terminal?.hasInput == true { return false }
        let isOpen = terminal?.isClosed == false
        guard wakeUp.wait(input: isOpen ? STDIN_FILENO : -1, duration) else { return false }
        return readKeys()
    }

    private mutating func readKeys() -> Bool {
        switch terminal?.read() {
        case .some(.some(.quit)): return true
        case .some(.some(.help)): writeConsole(Array(("\n" + NativeTerminal.help + "\n").utf8))
        default: break
        }
        return false
    }
}
