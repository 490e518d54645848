//! A line's words, as keepalived's two tokenizers see them: the plain one, and the one for scripts that knows quotes
//! and escapes as a shell does.

/// What is wrong with a line's quotes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Unterminated {
    /// The quote that is not closed.
    pub quote: char,
}

/// Words of most lines: blanks part them, and a `"…"` is a word by itself, blanks and all. A quote that is not closed
/// goes to the line's end.
pub fn plain(line: &str) -> Result<Vec<String>, Unterminated> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inner = &rest[1..];
            let Some(end) = inner.find('"') else { return Err(Unterminated { quote: '"' }) };
            words.push(inner[..end].to_owned());
            rest = inner[end + 1..].trim_start();
        } else {
            let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '"').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

/// Words of lines that name a script: `"…"`, `'…'` and bare text that touch are one word, and a backslash escapes.
pub fn quoted(line: &str) -> Result<Vec<String>, Unterminated> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (Some('\''), character) => word.get_or_insert_default().push(character),
            (_, '\\') => {
                let escaped = escape(&mut characters);
                word.get_or_insert_default().extend(escaped);
            }
            (Some(_), character) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, character) if character.is_ascii_whitespace() => words.extend(word.take()),
            (None, character) => word.get_or_insert_default().push(character),
        }
    }
    if let Some(quote) = quote {
        return Err(Unterminated { quote });
    }
    words.extend(word);
    Ok(words)
}

/// What a backslash and what follows stand for.
fn escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let character = characters.next();
    match character? {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'E' => Some('\x1b'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        'x' => {
            let mut value = 0;
            for _ in 0..2 {
                let Some(digit) = characters.peek().and_then(|c| c.to_digit(16)) else { break };
                value = value * 16 + digit;
                characters.next();
            }
            char::from_u32(value)
        }
        'c' => characters.next().and_then(|c| char::from_u32(u32::from(c) & 0x1f)),
        digit @ '0'..='7' => {
            let mut value = digit.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                let Some(digit) = characters.peek().and_then(|c| c.to_digit(8)) else { break };
                value = value * 8 + digit;
                characters.next();
            }
            char::from_u32(value & 0xff)
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words() {
        assert_eq!(plain(r#"script "killall -0 x" y"z w"q"#).unwrap(), ["script", "killall -0 x", "y", "z w", "q"]);
        assert_eq!(plain("  ").unwrap(), Vec::<String>::new());
        assert_eq!(plain("a \"b").unwrap_err(), Unterminated { quote: '"' });
        assert_eq!(plain("it's 'a b'").unwrap(), ["it's", "'a", "b'"]);
    }

    #[test]
    fn quoted_words() {
        assert_eq!(quoted(r#"notify "/a b" 'c d'e"f g" h\ i"#).unwrap(), ["notify", "/a b", "c def g", "h i"]);
        assert_eq!(quoted(r"a\x41\101\n'\n'").unwrap(), ["aAA\n\\n"]);
        assert_eq!(quoted("x ''").unwrap(), ["x", ""]);
        assert!(quoted("x 'y").is_err());
    }
}
