import ContentStore
import Foundation

/// Numbers and times for people.
enum Text {
    /// `10240.0MiB`, as users of S2E's tools know sizes.
    static func mebibytes(_ bytes: UInt64) -> String {
        String(format: "%.1fMiB", Double(bytes) / 1_048_576)
    }

    /// Local time to the second: `2031-05-09 14:00:00`.
    static func time(_ time: Timestamp) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
        return formatter.string(from: Date(timeIntervalSince1970: TimeInterval(time.seconds)))
    }

    /// `KVM` or `DBT`, the words that S2E's users know.
    static func accelerator(_ attribute: String?) -> String {
        switch attribute {
        case "kvm": "KVM"
        case "tcg": "DBT"
        default: "-"
        }
    }
}
