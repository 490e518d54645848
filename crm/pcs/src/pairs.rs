//! Words as pairs: `name=value`, and runs of words behind keywords. What the names may be, each command says.

use std::collections::BTreeMap;

use crate::call::{Done, Refusal};
use crate::tree::listed;

/// Names and values, in the order they came.
pub type Pairs = Vec<(String, String)>;

/// Splits `name=value`.
///
/// # Errors
/// When there is no name or no equals sign.
pub fn split(word: &str) -> Done<(String, String)> {
    match word.split_once('=') {
        None => Err(Refusal::usage(format!("missing value of '{word}' option"))),
        Some(("", _)) => Err(Refusal::usage(format!("missing key in '{word}' option"))),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
    }
}

/// Reads all words as pairs; a name may come twice with the same value.
///
/// # Errors
/// When a word is none, or a name has two values.
pub fn read(words: &[String]) -> Done<Pairs> {
    let mut pairs: Pairs = Vec::new();
    for word in words {
        let (name, value) = split(word)?;
        match pairs.iter().find(|(known, _)| *known == name) {
            None => pairs.push((name, value)),
            Some((_, other)) if *other == value => {}
            Some((_, other)) => {
                return Err(Refusal::usage(format!(
                    "duplicate option '{name}' with different values '{other}' and '{value}'"
                )));
            }
        }
    }
    Ok(pairs)
}

/// As [`read`], but the last value of a name counts, as in older commands.
///
/// # Errors
/// When a word is no pair.
pub fn read_last(words: &[String]) -> Done<Pairs> {
    let mut pairs = Pairs::new();
    for word in words {
        let (name, value) = split(word)?;
        take(&mut pairs, &name);
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// The value of a name.
pub fn get<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Takes a name out.
pub fn take(pairs: &mut Pairs, name: &str) -> Option<String> {
    let at = pairs.iter().position(|(known, _)| known == name)?;
    Some(pairs.remove(at).1)
}

/// Parts words at keywords: each keyword's runs, and under "" what comes before the first.
pub fn groups(words: &[String], keywords: &[&str]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut groups: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut current = "";
    for word in words {
        if let Some(keyword) = keywords.iter().find(|keyword| *keyword == word) {
            current = keyword;
            groups.entry(current.to_owned()).or_default().push(Vec::new());
            continue;
        }
        let runs = groups.entry(current.to_owned()).or_default();
        if runs.is_empty() {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push(word.clone());
        }
    }
    groups
}

/// All runs of a keyword as one.
pub fn joined(groups: &BTreeMap<String, Vec<Vec<String>>>, keyword: &str) -> Vec<String> {
    groups.get(keyword).map(|runs| runs.concat()).unwrap_or_default()
}

/// Refuses words that stand twice.
///
/// # Errors
/// Which ones do.
pub fn unique(words: &[String]) -> Done {
    let mut doubles: Vec<&str> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if words[..at].contains(word) && !doubles.contains(&word.as_str()) {
            doubles.push(word);
        }
    }
    match doubles.len() {
        0 => Ok(()),
        1 => Err(Refusal::usage(format!("duplicate argument: {}", listed(doubles)))),
        _ => Err(Refusal::usage(format!("duplicate arguments: {}", listed(doubles)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn pairs_are_read_in_order_and_doubles_refused() {
        assert_eq!(read(&words("b=1 a=x=y b=1")).unwrap(), [("b".into(), "1".into()), ("a".into(), "x=y".into())]);
        assert!(read(&words("a=1 a=2")).is_err());
        assert!(read(&words("a")).is_err());
        assert!(read(&words("=a")).is_err());
    }

    #[test]
    fn words_are_parted_at_keywords() {
        let parted = groups(&words("x=1 op monitor a=1 op stop meta b=2"), &["op", "meta"]);
        assert_eq!(parted["op"], [words("monitor a=1"), words("stop")]);
        assert_eq!((joined(&parted, ""), joined(&parted, "meta")), (words("x=1"), words("b=2")));
    }
}
