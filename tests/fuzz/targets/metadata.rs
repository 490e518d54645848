#![no_main]
//! Agents' descriptions of themselves, on any text: what is understood can be written and is understood again.

use libfuzzer_sys::fuzz_target;
use ocf::Metadata;

fuzz_target!(|text: &str| {
    if let Ok(metadata) = Metadata::parse(text) {
        Metadata::parse(&metadata.to_xml()).expect("what was written can be read");
        Metadata::parse(&metadata.to_fence_xml()).expect("what was written can be read");
    }
});
