//! Statements as a keepalived.conf, for what goes on being keepalived's.

use keepalived::statement::Statement;

/// The text of these statements, in keepalived's own form.
pub fn statements(statements: &[Statement]) -> String {
    let mut out = String::new();
    for one in statements {
        write(&mut out, one, 0);
    }
    out
}

fn write(out: &mut String, one: &Statement, depth: usize) {
    out.push_str(&"    ".repeat(depth));
    let words: Vec<String> = one.words.iter().map(|text| word(text)).collect();
    out.push_str(&words.join(" "));
    // An instance of nothing is still a block: its brace is expected.
    if one.block.is_empty() && !(depth == 0 && one.words.len() <= 1) {
        out.push('\n');
        return;
    }
    out.push_str(" {\n");
    for inner in &one.block {
        write(out, inner, depth + 1);
    }
    out.push_str(&"    ".repeat(depth));
    out.push_str("}\n");
}

/// A word; in quotes if blanks or what begins a comment or a block is in it.
fn word(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '#' | '!' | '{' | '}' | '\'' | '"');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('"', "'"))
}
