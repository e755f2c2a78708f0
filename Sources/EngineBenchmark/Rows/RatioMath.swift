import Foundation

/// Arithmetic of ratios.
package enum RatioMath {
    /// The geometric mean; 0 of nothing, and when one of them is not above 0.
    package static func geometricMean(_ ratios: [Double]) -> Double {
        guard !ratios.isEmpty, ratios.allSatisfy({ $0 > 0 && $0.isFinite }) else { return 0 }
        return exp(ratios.reduce(0) { $0 + log($1) } / Double(ratios.count))
    }
}
