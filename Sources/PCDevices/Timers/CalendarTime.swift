/// A date and time of the proleptic Gregorian calendar, as a clock without time zones counts them.
struct CalendarTime: Sendable, Hashable {
    var year: Int
    /// 1-12
    var month: Int
    /// 1-31
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int

    static let secondsPerDay = 86_400

    /// Takes seconds since 1970-01-01 apart.
    init(secondsSince1970 seconds: Int64) {
        let limit: Int64 = 1 << 50
        let clamped = Int(min(max(seconds, -limit), limit))
        let days = Self.floorDivide(clamped, Self.secondsPerDay)
        let inDay = clamped - days * Self.secondsPerDay
        hour = inDay / 3600
        minute = inDay / 60 % 60
        second = inDay % 60
        // Eras of 400 years that begin on the first of March, so that leap days are last.
        let shifted = days + 719_468
        let era = Self.floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    init(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// Seconds since 1970-01-01; fields beyond their range count on (month 13 is the next January).
    ///
    /// The fields come from registers of 8 bits, far below any overflow.
    var secondsSince1970: Int64 {
        let months = year * 12 + month - 1
        let civilYear = Self.floorDivide(months, 12)
        let civilMonth = months - civilYear * 12 + 1
        let shiftedYear = civilMonth <= 2 ? civilYear - 1 : civilYear
        let era = Self.floorDivide(shiftedYear, 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (civilMonth > 2 ? civilMonth - 3 : civilMonth + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return Int64(days * Self.secondsPerDay + hour * 3600 + minute * 60 + second)
    }

    /// 0 for Sunday to 6.
    var weekday: Int {
        let days = Self.floorDivide(Int(secondsSince1970), Self.secondsPerDay)
        return (days % 7 + 11) % 7
    }

    private static func floorDivide(_ value: Int, _ divisor: Int) -> Int {
        value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor)
    }
}
