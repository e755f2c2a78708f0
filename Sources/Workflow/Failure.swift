import BlockService
import CPUModel
import ContentStore
import Conversion
import DiskImage
import Expressions
import Hypervisor
import ImageRecipe
import LibvirtBridge
import Lineage
import Machine
import VMState

/// What an error means for somebody at a command line: a message, and the exit code that scripts can rely on.
///
/// | code | meaning |
/// |---|---|
/// | 0 | done |
/// | 1 | a check found something fixable, or failed |
/// | 2 | a check found something fatal; a resumed guest did not live; KVM cannot run guests on this machine |
/// | 64 | the command was used wrongly |
/// | 65 | an input is damaged or not of the kind it should be |
/// | 66 | no such VM, snapshot, experiment or file |
/// | 69 | QEMU or another program is missing, or failed |
/// | 70 | a defect of stemma |
/// | 73 | the name exists |
/// | 74 | input/output: the disk is full, a file cannot be written |
/// | 75 | the VM is in use, or time ran out: try again later |
/// | 130 | interrupted |
package struct Failure: Sendable {
    package let message: String
    package let exitCode: Int32

    /// Nil for an error that no module of Stemma throws, such as a parsing error of the command line.
    package init?(_ error: any Error) {
        switch error {
        case let error as StoreError: self.init("\(error)", Self.code(error.code))
        case let error as LineageError: self.init("\(error)", Self.code(error.code))
        case let error as WorkflowError: self.init("\(error)", Self.code(error.code))
        case let error as HypervisorError: self.init("\(error)", Self.code(error.code))
        case let error as GuestFailure: self.init("\(error)", 2)
        case let error as VMStateError:
            self.init("\(error)", error.code == .io || error.code == .pages ? 74 : 65)
        case let error as DiskImageError: self.init("\(error)", Self.code(error.code))
        case let error as BlockServiceError: self.init("\(error)", 74)
        case let error as RecipeError: self.init("\(error)", Self.code(error.code))
        case let error as CPUModelError: self.init("\(error)", Self.code(error.code))
        case let error as LibvirtError: self.init("\(error)", Self.code(error.code))
        case let error as ConversionError: self.init("\(error)", Self.code(error.code))
        case let error as MachineError: self.init("\(error)", 65)
        case let error as ExpressionsError: self.init("\(error)", 70)
        case is CancellationError: self.init("Interrupted; what was finished before is kept.", 130)
        default: return nil
        }
    }

    private init(_ message: String, _ exitCode: Int32) {
        self.message = message
        self.exitCode = exitCode
    }

    private static func code(_ code: StoreError.Code) -> Int32 {
        switch code {
        case .notFound: 66
        case .damaged, .notAStore, .unsupportedVersion: 65
        case .exists: 73
        case .noSpace, .io, .permission: 74
        case .conflict, .busy: 75
        case .invalid, .closed: 70
        }
    }

    private static func code(_ code: LineageError.Code) -> Int32 {
        switch code {
        case .notFound: 66
        case .exists: 73
        case .badName: 64
        case .malformed: 65
        case .changed: 75
        case .gone: 66
        case .store: 74
        }
    }

    private static func code(_ code: WorkflowError.Code) -> Int32 {
        switch code {
        case .usage: 64
        case .malformed: 65
        case .missing: 66
        case .exists: 73
        case .busy: 75
        case .io: 74
        case .unavailable: 69
        case .refused: 2
        }
    }

    private static func code(_ code: HypervisorError.Code) -> Int32 {
        switch code {
        case .qemuNotFound, .qemuFailed, .qmp, .malformedMessage, .disconnected, .snapshotFailed: 69
        case .streamRefused: 65
        case .kvmUnusable: 2
        case .timeout, .alreadyRunning: 75
        case .notRunning: 66
        case .interrupted: 130
        case .invalidConfiguration: 64
        case .io: 74
        }
    }

    private static func code(_ code: DiskImageError.Code) -> Int32 {
        switch code {
        case .cannotOpen, .noSuchSnapshot, .backingUnavailable: 66
        case .io, .noSpace, .cannotCreate: 74
        case .wrongFormat, .unsupported, .corrupt, .truncated, .tooManyExtents, .backingLoop, .forbiddenReference: 65
        case .outOfRange: 70
        case .exists: 73
        case .toolFailed: 69
        }
    }

    private static func code(_ code: LibvirtError.Code) -> Int32 {
        switch code {
        case .unreachable, .refused, .unsupported: 69
        case .noDomain: 66
        case .unsuitable: 65
        }
    }

    private static func code(_ code: CPUModelError.Code) -> Int32 {
        switch code {
        case .malformed, .unknownFormat: 65
        case .unknownName: 66
        case .unavailable: 69
        case .impossible: 2
        }
    }

    private static func code(_ code: ConversionError.Code) -> Int32 {
        switch code {
        case .policy: 64
        case .refused: 2
        case .incomplete: 70
        case .stream: 65
        }
    }

    private static func code(_ code: RecipeError.Code) -> Int32 {
        switch code {
        case .unreadable, .missingSource, .unknownPackage, .missingModule: 66
        case .invalid, .unsuitablePackage, .compilationFailed, .contentRefused: 65
        case .downloadFailed, .toolFailed: 69
        case .cannotWrite: 74
        case .cancelled: 130
        }
    }
}
