#![no_main]
//! The reader of CIBs on any bytes: what it accepts it writes so that it reads the same again; what was changed comes
//! out of the difference again.

use std::sync::LazyLock;

use cib::{Cib, Document, check, patch};
use libfuzzer_sys::fuzz_target;

static PLAIN: LazyLock<Document> = LazyLock::new(|| Cib::fresh("plain").document().clone());

fuzz_target!(|bytes: &[u8]| {
    let _ = cib::file::decode(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return drop(error.render("cib.xml", text)),
    };
    let again = Document::parse(&document.to_xml()).expect("what was written can be read");
    assert!(document.same(document.root(), &again, again.root()), "{}", document.to_xml());
    for finding in check::strict(&document) {
        let _ = finding.render("cib.xml", text);
    }
    let _ = Cib::new(document.clone());
    let difference = patch::diff(&PLAIN, &document);
    let mut copy = PLAIN.clone();
    if patch::apply(&mut copy, &difference).is_ok() && document.name(document.root()) == "cib" {
        let rest = patch::diff(&copy, &document);
        assert!(rest.changes.is_empty(), "left after {difference:?}: {rest:?}");
    }
    let _ = patch::xml::read(text);
});
