//! Booleans as people write them in a CIB.

/// Reads `true on yes y 1` and `false off no n 0`, in any case; `None` for anything else.
///
/// ```
/// assert_eq!(cib::boolean::parse("Yes"), Some(true));
/// assert_eq!(cib::boolean::parse("perhaps"), None);
/// ```
pub fn parse(text: &str) -> Option<bool> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["true", "on", "yes", "y", "1"].iter().any(is) {
        Some(true)
    } else if ["false", "off", "no", "n", "0"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// Whether a value that may be missing says yes; anything that is no boolean says no, as Pacemaker has it.
pub fn is_true(text: Option<&str>) -> bool {
    text.and_then(parse).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ten_words() {
        for (text, expected) in [
            ("true", Some(true)),
            ("ON", Some(true)),
            ("y", Some(true)),
            ("1", Some(true)),
            ("off", Some(false)),
            ("No", Some(false)),
            ("0", Some(false)),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert!(is_true(Some("yes")) && !is_true(Some("what")) && !is_true(None));
    }
}
