//! `TIMESTAMP '2026-03-01 03:10Z'`: people leave the seconds out, and Arrow does not understand it.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Value, visit_expressions_mut};

/// Adds the seconds to constants that are named as times.
pub fn with_seconds(statement: &mut Statement) {
    let ast = match statement {
        Statement::Statement(ast) => ast,
        Statement::Explain(explain) => return with_seconds(&mut explain.statement),
        _ => return,
    };
    let _ = visit_expressions_mut(ast, |expression| {
        if let Expr::TypedString(constant) = expression {
            complete(&constant.data_type, &mut constant.value.value);
        } else if let Expr::Cast { data_type, expr, .. } = expression
            && let Expr::Value(constant) = expr.as_mut()
        {
            complete(data_type, &mut constant.value);
        }
        ControlFlow::<()>::Continue(())
    });
}

fn complete(data_type: &DataType, constant: &mut Value) {
    if let (DataType::Timestamp(..), Value::SingleQuotedString(text)) = (data_type, constant)
        && ends_with_minutes(text)
    {
        text.insert_str("2026-03-01T03:10".len(), ":00");
    }
}

/// A date, a `T` or a blank, hours and minutes, and then nothing or an offset.
fn ends_with_minutes(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd";
    let fits = |(&have, &want): (&u8, &u8)| match want {
        b'd' => have.is_ascii_digit(),
        b'T' => have == b'T' || have == b' ',
        exact => have == exact,
    };
    let bytes = text.as_bytes();
    bytes.len() >= shape.len() && bytes.iter().zip(shape).all(fits) && bytes.get(shape.len()) != Some(&b':')
}
