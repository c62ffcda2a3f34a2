//! Whether every invocation of a workgroup reaches every barrier: WGSL's rule of uniform control flow, which naga does not check. A driver
//! may hang where it is broken, or go on with wrong numbers, or show nothing at all.
//!
//! A value is *varying* when invocations of one workgroup may see different ones: what comes from an invocation's id, and what is computed
//! from that, or stored where only some pass. A barrier may not depend on such a value. (Memory is taken as uniform where the address is.)

use naga::{
    BuiltIn, Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Span, Statement,
};
use std::collections::HashSet;

/// A function; `None` is the entry point.
type Name = Option<Handle<Function>>;

/// What is known so far. It only grows, so that going over all functions again and again comes to an end.
#[derive(Debug, Default, Clone, PartialEq)]
struct Facts {
    locals: HashSet<(Name, Handle<LocalVariable>)>,
    globals: HashSet<Handle<GlobalVariable>>,
    arguments: HashSet<(Name, u32)>,
    results: HashSet<Handle<Function>>,
    with_barrier: HashSet<Handle<Function>>,
}

/// Who may have left, when not all have.
#[derive(Debug, Default, Clone, Copy)]
struct Left {
    function: bool,
    by_break: bool,
    by_continue: bool,
}

impl Left {
    fn any(self) -> bool {
        self.function || self.by_break || self.by_continue
    }

    fn and(&mut self, other: Self) {
        self.function |= other.function;
        self.by_break |= other.by_break;
        self.by_continue |= other.by_continue;
    }
}

/// The first barrier that not all invocations may reach.
pub fn barrier_of_some(module: &Module) -> Option<Span> {
    let mut facts = Facts::default();
    loop {
        let before = facts.clone();
        let mut broken = None;
        let functions = module.functions.iter().map(|(name, f)| (Some(name), f));
        let entry = module.entry_points.iter().map(|e| (None, &e.function));
        for (name, function) in functions.chain(entry) {
            let mut walk = Walk::new(module, name, function, &mut facts);
            walk.block(&function.body, false);
            broken = broken.or(walk.broken);
        }
        if facts == before {
            return broken;
        }
    }
}

struct Walk<'a> {
    function: &'a Function,
    name: Name,
    facts: &'a mut Facts,
    varying: HashSet<Handle<Expression>>,
    broken: Option<Span>,
}

impl<'a> Walk<'a> {
    fn new(module: &'a Module, name: Name, function: &'a Function, facts: &'a mut Facts) -> Self {
        let mut walk = Self {
            function,
            name,
            facts,
            varying: HashSet::new(),
            broken: None,
        };
        // Operands come before what is made of them.
        for (handle, expression) in function.expressions.iter() {
            if walk.is_varying(module, expression) {
                walk.varying.insert(handle);
            }
        }
        walk
    }

    fn is_varying(&self, module: &Module, expression: &Expression) -> bool {
        use Expression as E;
        let v = |e: &Handle<Expression>| self.varying.contains(e);
        let some = |e: &Option<Handle<Expression>>| e.as_ref().is_some_and(v);
        match expression {
            E::Literal(_)
            | E::Constant(_)
            | E::Override(_)
            | E::ZeroValue(_)
            | E::GlobalVariable(_)
            | E::LocalVariable(_)
            | E::WorkGroupUniformLoadResult { .. }
            | E::ArrayLength(_) => false,
            E::FunctionArgument(i) => match self.name {
                Some(_) => self.facts.arguments.contains(&(self.name, *i)),
                None => !self
                    .function
                    .arguments
                    .get(*i as usize)
                    .is_some_and(|a| of_the_workgroup(a.binding.as_ref())),
            },
            E::Compose { components, .. } => components.iter().any(v),
            E::Access { base, index } => v(base) || v(index),
            E::AccessIndex { base, .. } => v(base),
            E::Splat { value, .. } => v(value),
            E::Swizzle { vector, .. } => v(vector),
            E::Load { pointer } => v(pointer) || self.root_varies(module, *pointer),
            E::ImageLoad {
                coordinate,
                array_index,
                level,
                ..
            } => v(coordinate) || some(array_index) || some(level),
            E::ImageQuery { .. } => false,
            E::Unary { expr, .. } | E::As { expr, .. } => v(expr),
            E::Binary { left, right, .. } => v(left) || v(right),
            E::Select {
                condition,
                accept,
                reject,
            } => v(condition) || v(accept) || v(reject),
            E::Relational { argument, .. } => v(argument),
            E::Math {
                arg,
                arg1,
                arg2,
                arg3,
                ..
            } => v(arg) || some(arg1) || some(arg2) || some(arg3),
            E::CallResult(function) => self.facts.results.contains(function),
            // Atomics, subgroups, matrices of a subgroup: each invocation may get its own.
            _ => true,
        }
    }

    /// The variable behind a pointer.
    fn root(&self, mut pointer: Handle<Expression>) -> &Expression {
        loop {
            match &self.function.expressions[pointer] {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                    pointer = *base;
                }
                other => return other,
            }
        }
    }

    fn root_varies(&self, module: &Module, pointer: Handle<Expression>) -> bool {
        match self.root(pointer) {
            Expression::LocalVariable(local) => self.facts.locals.contains(&(self.name, *local)),
            Expression::GlobalVariable(global) => {
                module.global_variables[*global].space == naga::AddressSpace::Private
                    && self.facts.globals.contains(global)
            }
            // A pointer that was handed in: where it points to is not followed.
            Expression::FunctionArgument(_) => true,
            _ => false,
        }
    }

    /// From now on the variable behind `pointer` is varying.
    fn taint(&mut self, pointer: Handle<Expression>) {
        match *self.root(pointer) {
            Expression::LocalVariable(local) => {
                self.facts.locals.insert((self.name, local));
            }
            Expression::GlobalVariable(global) => {
                self.facts.globals.insert(global);
            }
            _ => {}
        }
    }

    fn barrier(&mut self, some_only: bool, span: Span) {
        if let Some(name) = self.name {
            self.facts.with_barrier.insert(name);
        }
        if some_only {
            self.broken.get_or_insert(span);
        }
    }

    /// Go through a block that all invocations enter, or `some_only`; who may have left in it.
    fn block(&mut self, block: &naga::Block, some_only: bool) -> Left {
        let mut left = Left::default();
        for (statement, span) in block.span_iter() {
            let some_only = some_only || left.any();
            left.and(self.statement(statement, *span, some_only));
        }
        left
    }

    fn statement(&mut self, statement: &Statement, span: Span, some_only: bool) -> Left {
        let mut left = Left::default();
        match statement {
            Statement::Block(block) => left = self.block(block, some_only),
            Statement::If {
                condition,
                accept,
                reject,
            } => {
                let inside = some_only || self.varying.contains(condition);
                left = self.block(accept, inside);
                left.and(self.block(reject, inside));
            }
            Statement::Switch { selector, cases } => {
                let inside = some_only || self.varying.contains(selector);
                for case in cases {
                    left.and(self.block(&case.body, inside));
                }
                // A `break` in a switch ends the switch.
                left.by_break = false;
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => {
                let mut inside = self.block(body, some_only);
                let here = some_only || inside.by_break || inside.function;
                inside.and(self.block(continuing, here));
                inside.by_break |= break_if.is_some_and(|b| self.varying.contains(&b));
                // Those who are still in the loop go round without those who are not.
                if inside.by_break || inside.function {
                    self.block(body, true);
                    self.block(continuing, true);
                }
                left.function = inside.function;
            }
            Statement::Break => left.by_break = some_only,
            Statement::Continue => left.by_continue = some_only,
            Statement::Return { value } => {
                left.function = some_only;
                let varies = value.is_some_and(|v| self.varying.contains(&v));
                if let (Some(name), true) = (self.name, varies || some_only) {
                    self.facts.results.insert(name);
                }
            }
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => {
                self.barrier(some_only, span);
            }
            Statement::Store { pointer, value }
                if some_only || self.varying.contains(value) || self.varying.contains(pointer) =>
            {
                self.taint(*pointer);
            }
            Statement::Call {
                function,
                arguments,
                ..
            } => {
                if self.facts.with_barrier.contains(function) {
                    self.barrier(some_only, span);
                }
                for (i, &argument) in arguments.iter().enumerate() {
                    // What is handed over as a pointer may be written to.
                    self.taint(argument);
                    if self.varying.contains(&argument) {
                        self.facts.arguments.insert((Some(*function), i as u32));
                    }
                }
            }
            _ => {}
        }
        left
    }
}

/// Whether all invocations of a workgroup get the same from this binding of an entry point's argument.
fn of_the_workgroup(binding: Option<&naga::Binding>) -> bool {
    matches!(
        binding,
        Some(naga::Binding::BuiltIn(
            BuiltIn::WorkGroupId
                | BuiltIn::NumWorkGroups
                | BuiltIn::WorkGroupSize
                | BuiltIn::NumSubgroups
                | BuiltIn::SubgroupSize
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the barriers in this body are reached by all; `lane` and `group` are ids, `tree` has a barrier, `twice` has none.
    fn fine(body: &str) -> bool {
        let source = format!(
            "struct Params {{ n: u32 }}
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;
var<workgroup> shared_: array<u32, 64>;
var<private> own: u32;
fn tree(v: u32) -> u32 {{ workgroupBarrier(); return v; }}
fn twice(v: u32) -> u32 {{ return v + v; }}
fn fill(p: ptr<function, u32>) {{ *p = 3u; }}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let group = id.x;
    {body}
    y[lane] = shared_[0] + own;
}}"
        );
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)));
        barrier_of_some(&module).is_none()
    }

    #[test]
    fn barriers_that_all_reach() {
        for body in [
            "workgroupBarrier();",
            "if group >= params.n { return; } workgroupBarrier();",
            "for (var half = 32u; half > 0u; half /= 2u) { if lane < half { shared_[lane] += shared_[lane + half]; } workgroupBarrier(); }",
            "for (var i = 0u; i < params.n; i++) { if i == 3u { break; } workgroupBarrier(); }",
            "if lane == 0u { y[0] = 1u; } workgroupBarrier();",
            "for (var i = lane; i < params.n; i += 64u) { y[i] = i; } workgroupBarrier();",
            "for (var i = lane; i < params.n; i++) { if y[i] == 0u { continue; } y[i] = 1u; } let t = tree(lane);",
            "let n = twice(group); if n == 4u { workgroupBarrier(); }",
            "if shared_[0] == 4u { workgroupBarrier(); }",
            "for (var i = 0u; i < 3u; i++) { for (var j = lane; j < 9u; j++) { if j == 2u { break; } } workgroupBarrier(); }",
            "switch group { case 1u: { workgroupBarrier(); } default: { return; } } workgroupBarrier();",
        ] {
            assert!(fine(body), "{body}");
        }
    }

    #[test]
    fn barriers_that_some_miss() {
        for body in [
            "if lane < 32u { workgroupBarrier(); }",
            "if lane >= params.n { return; } workgroupBarrier();",
            "for (var half = 32u; half > 0u; half /= 2u) { if lane < half { shared_[lane] = 1u; workgroupBarrier(); } }",
            "for (var i = lane; i < params.n; i += 64u) { workgroupBarrier(); }",
            "for (var i = 0u; i < params.n; i++) { workgroupBarrier(); if y[lane] == i { break; } }",
            "for (var i = 0u; i < params.n; i++) { if y[lane] == i { continue; } workgroupBarrier(); }",
            "if lane == 3u { let t = tree(lane); }",
            "let n = twice(lane); if n == 4u { workgroupBarrier(); }",
            "var k = 0u; if lane == 3u { k = 1u; } if k == 1u { workgroupBarrier(); }",
            "own = lane; if own == 1u { workgroupBarrier(); }",
            "if shared_[lane] == 4u { workgroupBarrier(); }",
            "switch lane { case 1u: { workgroupBarrier(); } default: {} }",
            "for (var i = 0u; i < 3u; i++) { if lane == i { return; } } workgroupBarrier();",
        ] {
            assert!(!fine(body), "{body}");
        }
    }
}
