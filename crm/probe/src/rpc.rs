//! The question to an NFS server that does nothing but being answered: procedure 0, as RFC 5531 has it.

/// Bytes of an answer that is good.
pub const ANSWER: usize = 16;
const NFS: u32 = 100_003;
const LAST_FRAGMENT: u32 = 0x8000_0000;
/// Question and answer share it.
const MARK: u32 = 0x5359_5354;

/// Asks for this version of NFS.
pub fn question(version: u32) -> Vec<u8> {
    // The mark, that it is a call, RPC 2, program, version, procedure 0, and nobody's credentials twice.
    let words = [MARK, 0, 2, NFS, version, 0, 0, 0, 0, 0];
    let length = LAST_FRAGMENT | (words.len() as u32 * 4);
    [length].iter().chain(&words).flat_map(|word| word.to_be_bytes()).collect()
}

/// What an answer says: that the server is there. A server without this version is one all the same.
pub fn answer(bytes: &[u8; ANSWER]) -> Result<(), String> {
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    match (word(4), word(8), word(12)) {
        // The same mark, an answer, accepted.
        (MARK, 1, 0) => Ok(()),
        (MARK, 1, _) => Err("the NFS server refuses to answer".to_owned()),
        _ => Err("what answers is no NFS server".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_and_what_is_none() {
        let asked = question(4);
        assert_eq!(asked.len(), 44);
        assert_eq!(asked[..8], [0x80, 0, 0, 40, 0x53, 0x59, 0x53, 0x54]);
        let mut said = [0u8; ANSWER];
        said[4..8].copy_from_slice(&MARK.to_be_bytes());
        said[11] = 1;
        assert_eq!(answer(&said), Ok(()));
        said[15] = 1;
        assert!(answer(&said).unwrap_err().contains("refuses"));
        assert!(answer(b"HTTP/1.1 400 Bad").unwrap_err().contains("no NFS server"));
    }
}
