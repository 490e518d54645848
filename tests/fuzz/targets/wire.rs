#![no_main]
//! What peers and tools send: frames in any pieces, requests on any line; a write that comes out of them is applied.

use cib::{Cib, Write};
use embedded::frame::{Decoder, ToClient, ToHub};
use libfuzzer_sys::fuzz_target;
use wire::frame::{Assembler, cut};
use wire::{Message, Reply, Request};

fuzz_target!(|bytes: &[u8]| {
    let mut assembler = Assembler::default();
    let mut hub = Decoder::default();
    let mut client = Decoder::default();
    for piece in bytes.split(|byte| *byte == b'\n') {
        if let Ok(Some(message)) = assembler.take(u32::from(piece.len() % 2 == 0), piece) {
            take(message);
        }
        hub.feed(piece);
        while let Ok(Some(frame)) = hub.take(ToHub::decode) {
            assert_eq!(ToHub::decode(&frame.encode()[4..]).as_ref(), Ok(&frame));
        }
        client.feed(piece);
        while let Ok(Some(_)) = client.take(ToClient::decode) {}
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(Request::Write { write, .. }) = wire::request::from_line::<Request>(text) {
        apply(write);
    }
    let _ = wire::request::from_line::<Reply>(text);
    if let Ok(message) = serde_json::from_str::<Message>(text) {
        let mut assembler = Assembler::default();
        let pieces: Vec<_> = cut(&message, 64).iter().map(|piece| assembler.take(1, piece)).collect();
        assert!(matches!(pieces.last(), Some(Ok(Some(_)))), "{text}");
        take(message);
    }
});

fn take(message: Message) {
    match message {
        Message::Write { write, .. } => apply(write),
        Message::State(state) => drop(Cib::parse(&state.text)),
        _ => {}
    }
}

/// A write is applied whole or not at all, and what stands after it can be written down and read.
fn apply(form: wire::write::WriteForm) {
    let Ok(write) = Write::try_from(form) else { return };
    let mut cib = Cib::fresh("fuzz");
    let before = cib.digest();
    match cib.apply(&write) {
        Ok(_) => assert_eq!(Cib::parse(&cib.document().to_xml()).expect("it is a CIB still").digest(), cib.digest()),
        Err(_) => assert_eq!(cib.digest(), before),
    }
}
