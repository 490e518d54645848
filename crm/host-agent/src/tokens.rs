//! Who may call: join tokens, which are traded once and within minutes, and access tokens, which last until they are
//! revoked. Only their hashes are kept, so that who reads the disk cannot call. Pure but for its two doors to the disk.

use core::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use wire::host::hexadecimal;

use crate::disk::{self, Lock};
use crate::paths::Paths;

/// Tokens of each kind that are kept; the oldest goes when one more is made.
const MAX_TOKENS: usize = 256;
/// A file larger than this is not ours.
const MAX_BYTES: usize = 1 << 20;
/// A caller's name is cut to this.
const MAX_NAME: usize = 64;
/// Bytes of chance in a token.
const CHANCE: usize = 20;

/// The tokens of a host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tokens {
    join: Vec<Join>,
    access: Vec<Access>,
}

/// A join token that was not traded yet.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Join {
    hash: String,
    /// Seconds since 1970.
    until: u64,
}

/// Someone who may call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    hash: String,
    /// Since when, seconds since 1970.
    pub since: u64,
    /// Who it was given to, as they called themselves.
    pub by: String,
}

impl Access {
    /// What to revoke it by: the first digits of its hash.
    pub fn id(&self) -> &str {
        self.hash.get(..8).unwrap_or(&self.hash)
    }
}

impl Tokens {
    /// Reads them; none when there is no file. A line that is not understood is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(paths: &Paths) -> anyhow::Result<Tokens> {
        let bytes = disk::read(&paths.tokens(), MAX_BYTES)?.unwrap_or_default();
        Ok(Tokens::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Changes them under the lock, and keeps them.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn change<T>(paths: &Paths, change: impl FnOnce(&mut Tokens) -> T) -> anyhow::Result<T> {
        let _lock = Lock::take(paths)?;
        let mut tokens = Tokens::load(paths)?;
        let before = tokens.clone();
        let result = change(&mut tokens);
        if tokens != before {
            disk::write(&paths.tokens(), tokens.text().as_bytes(), 0o600)?;
        }
        Ok(result)
    }

    /// Takes in a join token that is good until then.
    pub fn add_join(&mut self, token: &str, until: u64) {
        push(&mut self.join, Join { hash: hash(token), until });
    }

    /// Whether a join token is known and in time.
    pub fn has_join(&self, token: &str, now: u64) -> bool {
        let hash = hash(token);
        self.join.iter().any(|one| one.hash == hash && one.until >= now)
    }

    /// Trades a join token for an access token, which is taken in. Gives false, and changes nothing, if the join token
    /// is not known, was traded, or is too old.
    pub fn trade(&mut self, join: &str, access: &str, by: &str, now: u64) -> bool {
        self.join.retain(|one| one.until >= now);
        let hash = hash(join);
        let Some(at) = self.join.iter().position(|one| one.hash == hash) else { return false };
        self.join.remove(at);
        self.add_access(access, by, now);
        true
    }

    /// Takes in an access token.
    pub fn add_access(&mut self, token: &str, by: &str, now: u64) {
        let by: String = by.chars().filter(|letter| letter.is_ascii_graphic()).take(MAX_NAME).collect();
        let by = if by.is_empty() { "nameless".into() } else { by };
        push(&mut self.access, Access { hash: hash(token), since: now, by });
    }

    /// Who calls with a token; nobody if it is not known.
    pub fn caller(&self, access: &str) -> Option<&Access> {
        let hash = hash(access);
        self.access.iter().find(|one| one.hash == hash)
    }

    /// Those who may call, oldest first.
    pub fn access(&self) -> &[Access] {
        &self.access
    }

    /// Revokes those whose id or name it is; gives how many.
    pub fn revoke(&mut self, which: &str) -> usize {
        let before = self.access.len();
        self.access.retain(|one| one.id() != which && one.by != which);
        before - self.access.len()
    }

    fn parse(text: &str) -> Tokens {
        let mut tokens = Tokens::default();
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["join", hash, until] => {
                    if let Ok(until) = until.parse() {
                        tokens.join.push(Join { hash: hash.into(), until });
                    }
                }
                ["access", hash, since, by] => {
                    if let Ok(since) = since.parse() {
                        tokens.access.push(Access { hash: hash.into(), since, by: by.into() });
                    }
                }
                _ => {}
            }
        }
        tokens
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.join {
            // Writing to a string does not fail.
            let _ = writeln!(text, "join {} {}", one.hash, one.until);
        }
        for one in &self.access {
            let _ = writeln!(text, "access {} {} {}", one.hash, one.since, one.by);
        }
        text
    }
}

fn push<T>(list: &mut Vec<T>, one: T) {
    if list.len() >= MAX_TOKENS {
        list.remove(0);
    }
    list.push(one);
}

/// A token is chance of 160 bits, so a plain hash of it cannot be turned round.
fn hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.trim().as_bytes()))
}

/// A new token: chance, as letters and digits that are not mistaken for one another.
///
/// # Errors
/// When the kernel gives no chance.
pub fn new() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut chance = [0; CHANCE * 8 / 5];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut chance).map_err(|_| anyhow::anyhow!("the kernel gives no random bytes"))?;
    Ok(chance.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_token_is_traded_once_and_in_time() {
        let mut tokens = Tokens::default();
        tokens.add_join("j", 100);
        tokens.add_join("late", 50);
        assert!(!tokens.trade("x", "a", "n", 60), "unknown");
        assert!(!tokens.trade("late", "a", "n", 60), "too old");
        assert_eq!(tokens.caller("a"), None);
        assert!(tokens.trade("j", "a", "node 1\n", 100));
        assert!(!tokens.trade("j", "b", "n", 100), "traded already");
        assert_eq!(tokens.caller("a").unwrap().by, "node1");
        assert_eq!(tokens.caller("b"), None);
    }

    #[test]
    fn tokens_are_kept_as_hashes_and_can_be_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state: folder.path().join("state"), ..Paths::default() };
        let secret = new().unwrap();
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, new().unwrap());
        Tokens::change(&paths, |tokens| tokens.add_access(&secret, "node1", 7)).unwrap();
        Tokens::change(&paths, |tokens| tokens.add_join("other", 9)).unwrap();
        let text = std::fs::read_to_string(paths.tokens()).unwrap();
        assert!(!text.contains(&secret) && !text.contains("other"), "{text}");
        let kept = Tokens::load(&paths).unwrap();
        assert_eq!(kept.caller(&secret).unwrap().since, 7);
        let id = kept.access()[0].id().to_owned();
        assert_eq!(Tokens::change(&paths, |tokens| tokens.revoke(&id)).unwrap(), 1);
        assert_eq!(Tokens::load(&paths).unwrap().caller(&secret), None);
    }

    #[test]
    fn a_spoilt_file_gives_what_can_be_read() {
        let tokens = Tokens::parse("access h 1 a\naccess h\njoin x y\n\n\u{0}\naccess i 2 b\n");
        assert_eq!(tokens.access().len(), 2);
        assert_eq!(Tokens::parse(&tokens.text()), tokens);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut tokens = Tokens::default();
        for number in 0..=MAX_TOKENS {
            tokens.add_access(&number.to_string(), "n", 0);
        }
        assert_eq!(tokens.access().len(), MAX_TOKENS);
        assert_eq!(tokens.caller("0"), None, "the oldest went");
    }
}
