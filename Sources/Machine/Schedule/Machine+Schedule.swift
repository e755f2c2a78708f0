import PCDevices
import X86

extension Machine {
    /// Runs all processors in turns, with interrupts, until virtual time reaches `limit` or something stops them.
    ///
    /// Ends at the end of a slice: ``Exit/budget`` when the time is reached, ``Exit/idle(until:)`` when all processors wait for an
    /// interrupt that comes later. Whoever does not want to wait calls ``skipIdleTime(to:)`` and goes on.
    package func runAll(until limit: UInt64) -> Exit {
        while true {
            if !schedule.isOpen {
                if schedule.now >= limit { return .budget }
                board.advance(to: schedule.now)
                if let exit = board.takeExit() { return exit }
                guard processors.indices.contains(where: isRunnable) else {
                    guard let deadline = board.deadline, processors.indices.contains(where: canWakeUp) else {
                        return .halted
                    }
                    return .idle(until: max(deadline, schedule.now &+ 1))
                }
                openSlice()
            }
            while schedule.turn < processors.count {
                activeProcessor = schedule.turn
                if let exit = runTurn() { return exit }
                schedule.turn += 1
            }
            schedule.isOpen = false
            schedule.now = schedule.end
        }
    }

    /// Lets virtual time pass while all processors wait.
    package func skipIdleTime(to time: UInt64) {
        guard !schedule.isOpen, time > schedule.now else { return }
        schedule.now = time
        for processor in processors { processor.waitUntil(time, options) }
    }

    private func isRunnable(_ index: Int) -> Bool {
        let processor = processors[index]
        if processor.isHalted || board.localAPICs[index].isWaitingForStartUp { return hasWakeUp(index) }
        return true
    }

    /// An interrupt would wake the processor, if one came.
    private func canWakeUp(_ index: Int) -> Bool {
        board.localAPICs[index].isWaitingForStartUp == false
            && processors[index].system.pointee.systemFlags & RFlags.interrupt != 0
    }

    private func openSlice() {
        var end = schedule.now &+ options.quantum
        if let deadline = board.deadline { end = min(end, max(deadline, schedule.now &+ 1)) }
        schedule.end = end
        schedule.turn = 0
        schedule.isOpen = true
    }

    /// The active processor up to the end of the slice.
    private func runTurn() -> Exit? {
        let processor = processor
        let system = processor.system
        while processor.time(options) < schedule.end {
            board.advanceLocal(activeProcessor, to: processor.time(options))
            takeStartUp()
            if let exit = takeInterrupt() { return exit }
            if processor.isHalted || board.localAPICs[activeProcessor].isWaitingForStartUp {
                let next = min(board.localAPICs[activeProcessor].deadline ?? .max, schedule.end)
                processor.waitUntil(next, options)
                continue
            }
            system.pointee.setStop(processor.retired(at: turnEvent(), options))
            switch runUntilStop() {
            case .budget, .halted: break
            case let exit: return exit
            }
            if let exit = board.takeExit() { return exit }
        }
        return nil
    }

    /// The end of the slice, or when the processor's own timer fires before.
    func turnEvent() -> UInt64 {
        min(schedule.end, max(board.localAPICs[activeProcessor].deadline ?? .max, processor.time(options) &+ 1))
    }

    /// INIT and start-up interrupts of the active processor (Intel SDM volume 3, 9.4).
    private func takeStartUp() {
        let index = activeProcessor
        if board.localAPICs[index].takeInitialize() { processor.reset(index: index) }
        guard let vector = board.localAPICs[index].takeStartUp() else { return }
        processor.isHalted = false
        processor.startUp(vector: vector)
    }
}
