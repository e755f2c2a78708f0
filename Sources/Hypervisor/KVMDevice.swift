import Foundation

/// What the host's `/dev/kvm` says about itself, without running a guest.
struct KVMDevice: Sendable {
    /// Why there is no usable device, with advice; `nil` when it opens and speaks the right version.
    let problem: (reason: String, advice: String)?
    /// What makes it doubtful that the device runs guests in hardware; `nil` when nothing does.
    let doubt: String?

    /// KVM_GET_API_VERSION = _IO(0xAE, 0); 12 since Linux 2.6.22 (Linux, include/uapi/linux/kvm.h).
    private static let getVersion: UInt = 0xae00

    /// Opens the device.
    init(path: String = "/dev/kvm", processorInformation: String = "/proc/cpuinfo", modules: String = "/sys/module") {
        problem = Self.open(path)
        let flags = (try? String(contentsOfFile: processorInformation, encoding: .utf8)) ?? ""
        let names =
            flags.split(whereSeparator: \.isNewline).first { $0.hasPrefix("flags") }?.split(separator: " ") ?? []
        if access(modules + "/kvm_pvm", F_OK) == 0 {
            doubt = "the kernel's KVM is the module kvm_pvm, which has no hardware support beneath it"
        } else if !names.contains("vmx"), !names.contains("svm") {
            doubt = "/proc/cpuinfo names neither vmx nor svm"
        } else {
            doubt = nil
        }
    }

    private static func open(_ path: String) -> (String, String)? {
        let device: FileDescriptor
        do {
            device = try FileDescriptor(opening: path, O_RDWR)
        } catch {
            switch error.code {
            case .io(ENOENT), .io(ENXIO), .io(ENODEV):
                return (
                    "there is no \(path)",
                    "Enable virtualization in the firmware (or nested virtualization in the outer hypervisor) and "
                        + "load the module kvm_intel or kvm_amd."
                )
            case .io(EACCES), .io(EPERM):
                return (
                    "\(path) must not be opened by this user",
                    "Join the group kvm ('sudo adduser $USER kvm') and log in again."
                )
            default:
                return (error.message, "See 'dmesg' for what KVM says.")
            }
        }
        let version = ioctl(device.raw, getVersion, 0)
        return version == 12
            ? nil
            : ("\(path) does not speak KVM's interface version 12 (it answers \(version))", "Update the kernel.")
    }
}
