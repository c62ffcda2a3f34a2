//! What a function of unsigned numbers in a kernel gives, worked out without a device.

use naga::{
    BinaryOperator, Block, Expression, Function, Handle, Literal, LocalVariable, MathFunction,
    Module, Statement, UnaryOperator,
};
use std::collections::HashMap;

#[derive(Clone, Copy)]
enum Value {
    Number(u32),
    Truth(bool),
}

/// How a block ended.
enum End {
    Through,
    Returned(u32),
}

const TOO_MUCH: &str = "how it computes can't be followed; write it with u32s, +, -, *, /, %, bits, select, min, max and if";

/// A function of unsigned numbers, at these arguments.
pub fn evaluate(
    module: &Module,
    function: &Function,
    arguments: &[u32],
) -> Result<u32, &'static str> {
    let mut call = Call {
        module,
        function,
        arguments,
        known: HashMap::new(),
        locals: HashMap::new(),
    };
    for (handle, local) in function.local_variables.iter() {
        if let Some(init) = local.init {
            let value = call.value(init)?;
            call.locals.insert(handle, value);
        }
    }
    match call.block(&function.body)? {
        End::Returned(value) => Ok(value),
        End::Through => Err(TOO_MUCH),
    }
}

struct Call<'a> {
    module: &'a Module,
    function: &'a Function,
    arguments: &'a [u32],
    known: HashMap<Handle<Expression>, Value>,
    locals: HashMap<Handle<LocalVariable>, Value>,
}

impl Call<'_> {
    fn block(&mut self, block: &Block) -> Result<End, &'static str> {
        for statement in block.iter() {
            let end = match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        // A pointer has no value of its own; what is read through it has.
                        if let Ok(value) = self.compute(handle) {
                            self.known.insert(handle, value);
                        }
                    }
                    End::Through
                }
                Statement::Block(block) => self.block(block)?,
                Statement::If {
                    condition,
                    accept,
                    reject,
                } => match self.value(*condition)? {
                    Value::Truth(true) => self.block(accept)?,
                    Value::Truth(false) => self.block(reject)?,
                    Value::Number(_) => return Err(TOO_MUCH),
                },
                Statement::Store { pointer, value } => {
                    let Expression::LocalVariable(local) = self.function.expressions[*pointer]
                    else {
                        return Err(TOO_MUCH);
                    };
                    let value = self.value(*value)?;
                    self.locals.insert(local, value);
                    End::Through
                }
                Statement::Return { value: Some(value) } => match self.value(*value)? {
                    Value::Number(n) => End::Returned(n),
                    Value::Truth(_) => return Err(TOO_MUCH),
                },
                _ => return Err(TOO_MUCH),
            };
            if let End::Returned(_) = end {
                return Ok(end);
            }
        }
        Ok(End::Through)
    }

    fn value(&self, handle: Handle<Expression>) -> Result<Value, &'static str> {
        match self.known.get(&handle) {
            Some(value) => Ok(*value),
            None => self.compute(handle),
        }
    }

    fn compute(&self, handle: Handle<Expression>) -> Result<Value, &'static str> {
        use Value::{Number, Truth};
        match &self.function.expressions[handle] {
            Expression::FunctionArgument(i) => {
                let argument = self.arguments.get(*i as usize);
                argument.map(|n| Number(*n)).ok_or(TOO_MUCH)
            }
            Expression::Literal(literal) => literal_value(*literal),
            Expression::Constant(constant) => {
                let init = self.module.constants[*constant].init;
                match &self.module.global_expressions[init] {
                    Expression::Literal(literal) => literal_value(*literal),
                    _ => Err(TOO_MUCH),
                }
            }
            Expression::Load { pointer } => match self.function.expressions[*pointer] {
                Expression::LocalVariable(local) => {
                    Ok(self.locals.get(&local).copied().unwrap_or(Number(0)))
                }
                _ => Err(TOO_MUCH),
            },
            Expression::Unary { op, expr } => match (op, self.value(*expr)?) {
                (UnaryOperator::LogicalNot, Truth(a)) => Ok(Truth(!a)),
                (UnaryOperator::BitwiseNot, Number(a)) => Ok(Number(!a)),
                _ => Err(TOO_MUCH),
            },
            Expression::Binary { op, left, right } => {
                binary(*op, self.value(*left)?, self.value(*right)?)
            }
            Expression::Select {
                condition,
                accept,
                reject,
            } => match self.value(*condition)? {
                Truth(true) => self.value(*accept),
                Truth(false) => self.value(*reject),
                Number(_) => Err(TOO_MUCH),
            },
            Expression::Math {
                fun,
                arg,
                arg1: Some(other),
                ..
            } => match (fun, self.value(*arg)?, self.value(*other)?) {
                (MathFunction::Min, Number(a), Number(b)) => Ok(Number(a.min(b))),
                (MathFunction::Max, Number(a), Number(b)) => Ok(Number(a.max(b))),
                _ => Err(TOO_MUCH),
            },
            _ => Err(TOO_MUCH),
        }
    }
}

fn literal_value(literal: Literal) -> Result<Value, &'static str> {
    match literal {
        Literal::U32(n) => Ok(Value::Number(n)),
        Literal::Bool(b) => Ok(Value::Truth(b)),
        _ => Err(TOO_MUCH),
    }
}

/// As WGSL has it: numbers wrap, and division by 0 gives the dividend, a remainder by 0 gives 0.
fn binary(op: BinaryOperator, left: Value, right: Value) -> Result<Value, &'static str> {
    use BinaryOperator as Op;
    use Value::{Number, Truth};
    Ok(match (left, right) {
        (Number(a), Number(b)) => match op {
            Op::Add => Number(a.wrapping_add(b)),
            Op::Subtract => Number(a.wrapping_sub(b)),
            Op::Multiply => Number(a.wrapping_mul(b)),
            Op::Divide => Number(a.checked_div(b).unwrap_or(a)),
            Op::Modulo => Number(a.checked_rem(b).unwrap_or(0)),
            Op::And => Number(a & b),
            Op::InclusiveOr => Number(a | b),
            Op::ExclusiveOr => Number(a ^ b),
            Op::ShiftLeft => Number(a << (b % 32)),
            Op::ShiftRight => Number(a >> (b % 32)),
            Op::Equal => Truth(a == b),
            Op::NotEqual => Truth(a != b),
            Op::Less => Truth(a < b),
            Op::LessEqual => Truth(a <= b),
            Op::Greater => Truth(a > b),
            Op::GreaterEqual => Truth(a >= b),
            _ => return Err(TOO_MUCH),
        },
        (Truth(a), Truth(b)) => match op {
            Op::And | Op::LogicalAnd => Truth(a && b),
            Op::InclusiveOr | Op::LogicalOr => Truth(a || b),
            Op::Equal => Truth(a == b),
            Op::NotEqual => Truth(a != b),
            _ => return Err(TOO_MUCH),
        },
        _ => return Err(TOO_MUCH),
    })
}
