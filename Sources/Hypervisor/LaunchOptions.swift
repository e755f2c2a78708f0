/// How one run of a ``MachineConfiguration`` is started: everything that is not part of the guest's hardware.
package struct LaunchOptions: Sendable {
    /// What executes the guest's instructions.
    package enum Accelerator: String, Sendable, Hashable, Codable {
        /// QEMU's dynamic binary translator; works everywhere.
        case tcg
        /// The Linux kernel's hypervisor; needs ``Doctor`` to say that it runs guests here.
        case kvm
    }

    /// Where the guest's serial console goes.
    package enum Console: Sendable, Hashable {
        /// Into the run's log file; no terminal, no monitor for people.
        case headless
        /// To the terminal of this process, together with QEMU's monitor (Ctrl-a c), and into the log file as well.
        case interactive
    }

    /// The files of a direct kernel boot.
    package struct BootFiles: Sendable, Hashable {
        package var kernel: String
        package var initialRamdisk: String?

        package init(kernel: String, initialRamdisk: String? = nil) {
            self.kernel = kernel
            self.initialRamdisk = initialRamdisk
        }
    }

    /// What lies beneath a disk's qcow2 overlay. QEMU never writes to it.
    package enum DiskBase: Sendable, Hashable {
        /// An export of an NBD server on a unix socket; `size` in bytes.
        case nbd(socket: String, export: String, size: UInt64)
        /// Nothing: an empty disk of `size` bytes.
        case empty(size: UInt64)

        /// The guest-visible size in bytes.
        package var size: UInt64 {
            switch self {
            case .nbd(_, _, let size), .empty(let size): size
            }
        }
    }

    /// What the guest does first.
    package enum Start: Sendable, Hashable {
        /// Power on: firmware, boot loader or kernel.
        case boot
        /// Wait for ``QEMUProcess/resume(from:thenRun:)``.
        case incoming
    }

    /// What main memory is made of.
    package enum Memory: Sendable {
        /// QEMU allocates it for itself.
        case anonymous
        /// This file, which QEMU maps: what the guest writes is in the file.
        case shared(SharedMemory)
        /// Copies of this file's pages, made when the guest writes. Any number of guests may start from one file, which
        /// must not change while one of them lives.
        case copyOnWrite(SharedMemory)

        /// The file.
        package var file: SharedMemory? {
            switch self {
            case .anonymous: nil
            case .shared(let file), .copyOnWrite(let file): file
            }
        }

        /// The file when it shows what the guest writes.
        package var visible: SharedMemory? { if case .shared(let file) = self { file } else { nil } }
    }

    package var accelerator: Accelerator
    package var console: Console
    package var start: Start
    /// One base for each disk of the configuration, in its order.
    package var diskBases: [DiskBase]
    /// Needed to boot a configuration with ``MachineConfiguration/DirectBoot``. For a resumed guest it is optional:
    /// without it a placeholder takes the kernel's place, and a guest that reboots finds nothing to boot.
    package var bootFiles: BootFiles?
    /// Start the guest at once (`true`) or leave it paused until ``QEMUMonitor/continueGuest()``.
    package var startsRunning: Bool
    /// Main memory. A file must have exactly the size of the configuration's memory, and
    /// ``MachineConfiguration/obstacleToSharedMemory`` must be `nil`.
    package var memory: Memory

    package init(
        accelerator: Accelerator = .tcg, console: Console = .headless, start: Start = .boot,
        diskBases: [DiskBase] = [], bootFiles: BootFiles? = nil, startsRunning: Bool = true,
        memory: Memory = .anonymous
    ) {
        self.memory = memory
        self.accelerator = accelerator
        self.console = console
        self.start = start
        self.diskBases = diskBases
        self.bootFiles = bootFiles
        self.startsRunning = startsRunning
    }
}
