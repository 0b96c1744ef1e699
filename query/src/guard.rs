//! What is let through: statements that read, in texts that cannot exhaust a stack.

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::QueryError;

/// Enough for a list of some ten thousand identifiers.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// `1+1+1+…` nests one level deeper per operator and the planner recurses along; [`STACK_BYTES`] carries this many levels.
pub const MAX_OPERATORS: usize = 1_000;

/// Address space only: what is not used is not taken. Measured by a test with the longest chains allowed.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

pub fn check_text(text: &str) -> std::result::Result<(), QueryError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(QueryError::Invalid(format!("the query is longer than {MAX_TEXT_BYTES} bytes")));
    }
    // What cannot even be cut into words is explained better by the parser.
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    let operators = tokens.iter().filter(|token| may_nest(token)).count();
    if operators > MAX_OPERATORS {
        return Err(QueryError::Invalid(format!(
            "the query has {operators} operators and keywords, more than {MAX_OPERATORS}: write long alternatives as IN (…)"
        )));
    }
    Ok(())
}

/// Lists stay flat however long; brackets are counted by the parser.
fn may_nest(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Whitespace(_) | Token::Comma | Token::Period | Token::LParen | Token::RParen | Token::SemiColon => false,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF => false,
        _ => true,
    }
}

pub fn check_statement(statement: &Statement) -> std::result::Result<(), QueryError> {
    match statement {
        Statement::Statement(ast) => check_ast(ast),
        Statement::Explain(explain) => check_statement(&explain.statement),
        other => Err(QueryError::NotAllowed(first_words(&other.to_string()))),
    }
}

fn check_ast(ast: &Ast) -> std::result::Result<(), QueryError> {
    match ast {
        Ast::Query(_)
        | Ast::ExplainTable { .. }
        | Ast::ShowTables { .. }
        | Ast::ShowColumns { .. }
        | Ast::ShowFunctions { .. }
        | Ast::ShowVariable { .. } => Ok(()),
        Ast::Explain { statement, .. } => check_ast(statement),
        other => Err(QueryError::NotAllowed(first_words(&other.to_string()))),
    }
}

/// `CREATE TABLE` of `CREATE TABLE secret (…)`: what was tried, not on what.
fn first_words(statement: &str) -> String {
    let is_keyword = |word: &&str| word.chars().all(|letter| letter.is_ascii_uppercase());
    let words: Vec<_> = statement.split_whitespace().take_while(is_keyword).take(2).collect();
    if words.is_empty() { "this statement".into() } else { words.join(" ") }
}

/// The second lock: a writing part inside a statement that reads (`SELECT … INTO`, a `WITH` that inserts).
pub fn check_plan(plan: &LogicalPlan) -> std::result::Result<(), QueryError> {
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(plan).map_err(|error| {
        // "Error during planning: DDL not supported: CreateMemoryTable": the last part says what was tried.
        let text = error.strip_backtrace();
        QueryError::NotAllowed(text.rsplit(": ").next().unwrap_or_default().to_owned())
    })
}
