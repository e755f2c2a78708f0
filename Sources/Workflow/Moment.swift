import ContentStore
import Foundation

/// A moment as people write it, for filters: a date, a time, or how long ago.
package struct Moment: Sendable, Hashable {
    package let time: Timestamp

    package init(time: Timestamp) { self.time = time }

    /// Parses one of
    ///
    /// | text | means |
    /// |---|---|
    /// | `2031-05-09` | the beginning of that day, local time |
    /// | `2031-05-09 14:00`, `2031-05-09T14:00:30` | that moment, local time |
    /// | `2031-05-09T12:00:00Z`, `…+02:00` | that moment, as `--json` prints it |
    /// | `90s`, `30m`, `12h`, `7d`, `2w` | so long before `now` |
    /// | `@1936094400` | seconds since 1970 |
    package init?(parsing text: String, now: Timestamp = .now()) {
        if text.hasPrefix("@"), let seconds = Int64(text.dropFirst()), abs(seconds) < 1 << 40 {
            time = Timestamp(seconds: seconds)
            return
        }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
        if let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), count >= 0,
            count < 1 << 30
        {
            time = Timestamp(seconds: now.seconds - count * unit, nanoseconds: now.nanoseconds)
            return
        }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.isLenient = false
        for format in [
            "yyyy-MM-dd", "yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd'T'HH:mm:ss",
            "yyyy-MM-dd'T'HH:mm:ssXXXXX",
        ] {
            formatter.dateFormat = format
            if let date = formatter.date(from: text) {
                time = Timestamp(seconds: Int64(date.timeIntervalSince1970))
                return
            }
        }
        return nil
    }
}
