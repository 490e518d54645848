#![no_main]
//! What a host agent reads from afar and from its disk: calls and answers, the list of hosts, tokens to join with, the
//! certificates of a quorum device as one text, and a certificate's dates. What is read is written and read again.

use host_agent::hosts::JoinToken;
use host_agent::{Hosts, certificates, qdevice};
use libfuzzer_sys::fuzz_target;
use wire::host::{Answer, Envelope};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) {
        let again = serde_json::to_vec(&envelope).expect("a call can be written");
        assert_eq!(serde_json::from_slice::<Envelope>(&again).expect("and read again"), envelope);
    }
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        serde_json::to_vec(&answer).expect("an answer can be written");
    }
    if let Ok(files) = qdevice::unpack(bytes) {
        let mut names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), files.len(), "each file once");
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(hosts) = Hosts::parse(&text) {
        assert_eq!(Hosts::parse(&hosts.text()).expect("what was written is read"), hosts);
    }
    if let Some(token) = JoinToken::parse(&text) {
        assert!(JoinToken::parse(&token.text()).is_some_and(|again| again == token));
    }
    let _ = certificates::not_after(bytes);
});
