import CZydis

// Dispatch: each family takes the instruction or passes it on
extension BlockBuilder {
    mutating func lift(_ instruction: DecodedInstruction) -> Outcome {
        if let outcome = liftArithmetic(instruction) { return outcome }
        if let outcome = liftMovement(instruction) { return outcome }
        if let outcome = liftControl(instruction) { return outcome }
        if let outcome = liftShift(instruction) { return outcome }
        if let outcome = liftMultiplication(instruction) { return outcome }
        if let outcome = liftBits(instruction) { return outcome }
        if let outcome = liftString(instruction) { return outcome }
        if let outcome = liftSystem(instruction) { return outcome }
        if let outcome = liftX87(instruction) { return outcome }
        if let outcome = liftMMX(instruction) { return outcome }
        if let outcome = liftLegacy(instruction) { return outcome }
        if let outcome = liftVector(instruction) { return outcome }
        if let outcome = liftFloat(instruction) { return outcome }
        return .unsupported
    }

    /// Makes a family member that failed to read an operand unsupported instead of wrong.
    mutating func require(_ body: (inout BlockBuilder) -> Bool) -> Outcome {
        body(&self) ? .lifted : .unsupported
    }
}
