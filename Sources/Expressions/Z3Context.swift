import CZ3

/// One Z3 context with the translations of an arena's expressions.
///
/// Every translated node is kept (with a reference) for the context's life, so each is translated once. A node of 1 bit is
/// a Z3 Boolean and becomes a bit-vector only where a wider node uses it.
final class Z3Context {
    let raw: Z3_context
    let z3: z3_library
    /// By handle.
    private var translated: [Z3_ast?] = []
    /// Each with a reference of ours, oldest first.
    private var kept: [Z3_ast] = []
    private var vectorForms: [UInt32: Z3_ast] = [:]
    private var sorts: [Int: Z3_sort] = [:]
    private var tableFunctions: [UInt32: Z3_func_decl] = [:]
    private var symbols: [UInt32: Z3_ast] = [:]
    private var tableAssertions: [UInt32: [Z3_ast?]] = [:]
    private var tablesOfAssertion: [Term: [UInt32]] = [:]
    private var stack: [UInt32] = []

    init() throws(ExpressionsError) {
        let z3 = try Z3Library.loaded.get().functions
        let configuration = z3.Z3_mk_config()
        defer { z3.Z3_del_config(configuration) }
        guard let raw = z3.Z3_mk_context_rc(configuration) else {
            throw ExpressionsError(
                code: .solverUnavailable,
                message: "Z3 could not make a context; see whether memory is short (libz3-dev must be installed)")
        }
        self.raw = raw
        self.z3 = z3
        // Without this, an error inside Z3 ends the process; the codes are asked for after each query instead.
        z3.Z3_set_error_handler(raw, nil)
    }

    deinit {
        // The newest first, so that a term goes when nothing is made of it. What is left to the context it looks for in all its
        // terms, layer by layer: a chain of 250,000 terms took 40 s.
        for ast in kept.reversed() { z3.Z3_dec_ref(raw, ast) }
        z3.Z3_del_context(raw)
    }

    /// The library's error text, if the last calls failed.
    var errorText: String? {
        let code = z3.Z3_get_error_code(raw)
        guard code != Z3_OK else { return nil }
        return z3.Z3_get_error_msg(raw, code).map { String(cString: $0) } ?? "error \(code.rawValue)"
    }

    /// Asserts a term; nothing is ever left out silently.
    func assert(_ term: Z3_ast?, to solver: Z3_solver?) throws(ExpressionsError) {
        guard let term else { throw Self.failure(errorText ?? "a term could not be made") }
        z3.Z3_solver_assert(raw, solver, term)
        if let text = errorText { throw Self.failure(text) }
    }

    static func failure(_ text: String) -> ExpressionsError {
        ExpressionsError(
            code: .solverFailed, message: "Z3 reported an error; use another version of it and report the defect",
            cause: text)
    }

    /// Until when the query under way may build terms.
    var deadline = ContinuousClock.now
    var cancellation = Cancellation()

    /// How many nodes are translated.
    private(set) var translationCount = 0

    private func keep(_ ast: Z3_ast?) -> Z3_ast? {
        // Without the reference Z3 may free the term at the next call.
        if let ast {
            z3.Z3_inc_ref(raw, ast)
            kept.append(ast)
        }
        return ast
    }

    private func sort(_ width: Int) -> Z3_sort? {
        if let known = sorts[width] { return known }
        let sort = z3.Z3_mk_bv_sort(raw, UInt32(width))
        _ = keep(z3.Z3_sort_to_ast(raw, sort))
        sorts[width] = sort
        return sort
    }

    private func literal(_ value: UInt64, _ width: Int) -> Z3_ast? {
        keep(z3.Z3_mk_unsigned_int64(raw, value, sort(width)))
    }

    /// The Z3 constant that stands for a symbolic byte.
    func symbolConstant(_ byte: UInt32) -> Z3_ast? {
        if let known = symbols[byte] { return known }
        let constant = keep(z3.Z3_mk_const(raw, z3.Z3_mk_int_symbol(raw, Int32(truncatingIfNeeded: byte)), sort(8)))
        if let constant { symbols[byte] = constant }
        return constant
    }

    /// The Boolean term of a 1-bit expression.
    func truth(_ expression: Term, in arena: ExpressionArena) throws(ExpressionsError) -> Z3_ast? {
        try translate(expression.handle, arena)
        return translated[Int(expression.handle)]
    }

    private func translate(_ root: UInt32, _ arena: ExpressionArena) throws(ExpressionsError) {
        if translated.count <= arena.nodeCount {
            translated.append(contentsOf: repeatElement(nil, count: arena.nodeCount + 1 - translated.count))
        }
        if translated[Int(root)] != nil { return }
        stack.removeAll(keepingCapacity: true)
        stack.append(root)
        while let handle = stack.last {
            if translated[Int(handle)] != nil {
                stack.removeLast()
                continue
            }
            let node = arena.node(handle)
            let before = stack.count
            arena.forEachOperand(of: node) { operand in
                if translated[Int(operand)] == nil { stack.append(operand) }
            }
            guard stack.count == before else { continue }
            translated[Int(handle)] = keep(term(node, arena))
            translationCount += 1
            // Large terms take time too.
            if translationCount % 128 == 0 && (cancellation.isCancelled || ContinuousClock.now >= deadline) {
                throw ExpressionsError(code: .outOfTime, message: "the solver's time is over")
            }
            stack.removeLast()
            if translated[Int(handle)] == nil { return }
        }
    }

    /// The operand as a bit-vector.
    private func vector(_ handle: UInt32, _ arena: ExpressionArena) -> Z3_ast? {
        guard arena.node(handle).width == 1 else { return translated[Int(handle)] }
        if let known = vectorForms[handle] { return known }
        let form = keep(z3.Z3_mk_ite(raw, translated[Int(handle)], literal(1, 1), literal(0, 1)))
        if let form { vectorForms[handle] = form }
        return form
    }

    private func term(_ node: Node, _ arena: ExpressionArena) -> Z3_ast? {
        if node.width == 1 { return truthTerm(node, arena) }
        let width = Int(node.width)
        switch node.operation {
        case .constant: return z3.Z3_mk_unsigned_int64(raw, node.constantValue, sort(width))
        case .symbol: return symbolConstant(node.a)
        case .table: return tableTerm(node, arena)
        case .ifThenElse:
            return z3.Z3_mk_ite(raw, translated[Int(node.a)], translated[Int(node.b)], translated[Int(node.c)])
        default: break
        }
        let a = vector(node.a, arena)
        let operandWidth = Int(arena.node(node.a).width)
        switch node.operation {
        case .not: return z3.Z3_mk_bvnot(raw, a)
        case .zeroExtend: return z3.Z3_mk_zero_ext(raw, UInt32(width - operandWidth), a)
        case .signExtend: return z3.Z3_mk_sign_ext(raw, UInt32(width - operandWidth), a)
        case .extract: return z3.Z3_mk_extract(raw, UInt32(node.low) + UInt32(width) - 1, UInt32(node.low), a)
        default: return binaryTerm(node.operation, a, vector(node.b, arena), width: operandWidth)
        }
    }

    private func binaryTerm(_ operation: Operator, _ a: Z3_ast?, _ b: Z3_ast?, width: Int) -> Z3_ast? {
        switch operation {
        case .add: return z3.Z3_mk_bvadd(raw, a, b)
        case .subtract: return z3.Z3_mk_bvsub(raw, a, b)
        case .multiply: return z3.Z3_mk_bvmul(raw, a, b)
        case .multiplyHighUnsigned, .multiplyHighSigned:
            let extend = operation == .multiplyHighUnsigned ? z3.Z3_mk_zero_ext : z3.Z3_mk_sign_ext
            let product = keep(
                z3.Z3_mk_bvmul(
                    raw, keep(extend(raw, UInt32(width), a)), keep(extend(raw, UInt32(width), b))))
            return z3.Z3_mk_extract(raw, UInt32(2 * width - 1), UInt32(width), product)
        case .divideUnsigned: return z3.Z3_mk_bvudiv(raw, a, b)
        case .remainderUnsigned: return z3.Z3_mk_bvurem(raw, a, b)
        case .divideSigned: return z3.Z3_mk_bvsdiv(raw, a, b)
        case .remainderSigned: return z3.Z3_mk_bvsrem(raw, a, b)
        case .and: return z3.Z3_mk_bvand(raw, a, b)
        case .or: return z3.Z3_mk_bvor(raw, a, b)
        case .xor: return z3.Z3_mk_bvxor(raw, a, b)
        case .shiftLeft: return z3.Z3_mk_bvshl(raw, a, b)
        case .shiftRightLogical: return z3.Z3_mk_bvlshr(raw, a, b)
        case .shiftRightArithmetic: return z3.Z3_mk_bvashr(raw, a, b)
        default: return z3.Z3_mk_concat(raw, a, b)
        }
    }

    /// The Boolean term of a node of 1 bit.
    private func truthTerm(_ node: Node, _ arena: ExpressionArena) -> Z3_ast? {
        let one = { self.literal(1, 1) }
        switch node.operation {
        case .constant: return node.constantValue == 1 ? z3.Z3_mk_true(raw) : z3.Z3_mk_false(raw)
        case .not: return z3.Z3_mk_not(raw, translated[Int(node.a)])
        case .and, .or, .multiply:
            var terms = [translated[Int(node.a)], translated[Int(node.b)]]
            return node.operation == .or ? z3.Z3_mk_or(raw, 2, &terms) : z3.Z3_mk_and(raw, 2, &terms)
        case .xor, .add, .subtract: return z3.Z3_mk_xor(raw, translated[Int(node.a)], translated[Int(node.b)])
        case .ifThenElse:
            return z3.Z3_mk_ite(raw, translated[Int(node.a)], translated[Int(node.b)], translated[Int(node.c)])
        case .table: return z3.Z3_mk_eq(raw, keep(tableTerm(node, arena)), one())
        default: break
        }
        let a = vector(node.a, arena)
        if node.operation == .extract {
            return z3.Z3_mk_eq(raw, keep(z3.Z3_mk_extract(raw, UInt32(node.low), UInt32(node.low), a)), one())
        }
        let b = vector(node.b, arena)
        let width = Int(arena.node(node.a).width)
        switch node.operation {
        case .equal: return z3.Z3_mk_eq(raw, a, b)
        case .lessUnsigned: return z3.Z3_mk_bvult(raw, a, b)
        case .lessSigned: return z3.Z3_mk_bvslt(raw, a, b)
        case .subtractOverflow:
            let difference = keep(z3.Z3_mk_bvsub(raw, a, b))
            let changed = keep(
                z3.Z3_mk_bvand(raw, keep(z3.Z3_mk_bvxor(raw, a, b)), keep(z3.Z3_mk_bvxor(raw, a, difference))))
            return z3.Z3_mk_bvslt(raw, changed, literal(0, width))
        default: return z3.Z3_mk_eq(raw, keep(binaryTerm(node.operation, a, b, width: width)), one())
        }
    }

    // MARK: Constant tables

    private func tableTerm(_ node: Node, _ arena: ExpressionArena) -> Z3_ast? {
        var arguments = [vector(node.a, arena)]
        return z3.Z3_mk_app(raw, tableFunction(node.b, arena), 1, &arguments)
    }

    private func tableFunction(_ number: UInt32, _ arena: ExpressionArena) -> Z3_func_decl? {
        if let known = tableFunctions[number] { return known }
        let table = arena.tables[Int(number)]
        var domain = [sort(table.indexWidth)]
        let name = z3.Z3_mk_string_symbol(raw, "t\(number)")
        let function = z3.Z3_mk_func_decl(raw, name, 1, &domain, sort(table.elementWidth))
        _ = keep(z3.Z3_func_decl_to_ast(raw, function))
        if let function { tableFunctions[number] = function }
        return function
    }

    /// Numbers of the constant tables below an assertion.
    func tables(of assertion: Term, in arena: ExpressionArena) -> [UInt32] {
        if arena.tables.isEmpty { return [] }
        if let known = tablesOfAssertion[assertion] { return known }
        var numbers: [UInt32] = []
        for handle in arena.topologicalOrder(of: [assertion]) ?? [] {
            let node = arena.node(handle)
            if node.operation == .table && !numbers.contains(node.b) { numbers.append(node.b) }
        }
        tablesOfAssertion[assertion] = numbers
        return numbers
    }

    /// One assertion for each element of a table.
    func assertions(ofTable number: UInt32, in arena: ExpressionArena) -> [Z3_ast?] {
        if let known = tableAssertions[number] { return known }
        let table = arena.tables[Int(number)]
        let function = tableFunction(number, arena)
        let result: [Z3_ast?] = table.elements.enumerated().map { index, element in
            var arguments = [literal(UInt64(index), table.indexWidth)]
            let place = keep(z3.Z3_mk_app(raw, function, 1, &arguments))
            return keep(z3.Z3_mk_eq(raw, place, literal(element, table.elementWidth)))
        }
        tableAssertions[number] = result
        return result
    }
}
