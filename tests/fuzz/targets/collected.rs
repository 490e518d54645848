#![no_main]
//! What comes to a move from elsewhere, beside the configuration itself: a host's tar, packets as shadow hears them, a
//! file of answers, the journal that one who was killed left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use keepalived::pairs::{conflicts, routers};
use keepalived::{Files, Host, Model};
use libfuzzer_sys::fuzz_target;
use migrate::collected::{Collected, at_this_moment};
use migrate::course::Course;
use migrate::handover::{held, takeover};
use migrate::plan::{Wishes, plan};
use migrate::shadow::Shadow;
use migrate::verdict::Answers;
use migrate::{advert, archive};

/// The unit of tar.
const BLOCK: usize = 512;
/// What is watched while packets come.
const WATCHED: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\npriority 150\ntrack_interface {\neth1 weight -20\n}\n\
                       virtual_ipaddress {\n192.0.2.100/24\n}\n}\nvrrp_instance B {\ninterface eth0\nvirtual_router_id 7\n\
                       virtual_ipaddress {\n2001:db8::7/64\n}\n}\n";

/// Puts the right checksum into every header, so that what is behind the checksum is reached.
fn mend(bytes: &mut [u8]) {
    for header in bytes.chunks_exact_mut(BLOCK).filter(|block| block[257..262] == *b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// An archive, and all that is read from it.
fn hosts(bytes: &[u8]) {
    let _ = archive::read(bytes);
    let Ok(collected) = Collected::from_archive(bytes) else { return };
    let model = collected.model(&collected.host);
    let mine = held(&model, &collected.addresses);
    // What a takeover writes is a configuration, and its instances are those that were there.
    let again = Model::read(&Files::one("/k", takeover(&model)), &Host::default());
    assert!(again.instances.len() <= model.instances.len() && mine.len() <= collected.addresses.len());
    let hosts = [("one".to_owned(), model.clone()), ("two".to_owned(), model)];
    routers(&hosts).iter().for_each(|router| drop(conflicts(router, &hosts)));
    let [one, two] = hosts;
    at_this_moment(&[(one.0, one.1, &collected), (two.0, two.1, &collected)]);
}

/// Packets, each behind its length and the tenths of a second until it comes.
fn packets(mut bytes: &[u8]) {
    let host = |name: &str| (name.to_owned(), Model::read(&Files::one("/k", WATCHED), &Host::default()));
    let hosts = [host("one"), host("two")];
    let answers = Answers::read("defaults = yes").expect("it is well formed");
    let plan = plan(&hosts, &answers, &Wishes::default()).expect("it is a configuration");
    let mut shadow = Shadow::new(&plan, BTreeMap::new());
    let mut now = Duration::ZERO;
    while let [length, tenths, rest @ ..] = bytes {
        let packet = rest.get(..usize::from(*length)).unwrap_or(rest);
        now += Duration::from_millis(u64::from(*tenths) * 100);
        if let Some(advert) = advert::decode(packet) {
            shadow.handle(now, advert);
        }
        shadow.timeout(now);
        while shadow.poll().is_some() {}
        assert!(shadow.deadline().is_none_or(|next| next > now), "it would be woken for nothing for ever");
        bytes = &rest[packet.len()..];
    }
    shadow.totals();
    shadow.unheard();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            let mut bytes = bytes.to_vec();
            mend(&mut bytes);
            hosts(&bytes);
        }
        1 => {
            // Names and contents in turn; what was written is what is read.
            let pieces: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
            let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_start_matches(['.', '/']).to_owned();
            let files: BTreeMap<String, Vec<u8>> = pieces
                .chunks_exact(2)
                .map(|pair| (name(pair[0]), pair[1].to_vec()))
                .filter(|(name, _)| !name.is_empty())
                .collect();
            let written = archive::write(&files);
            assert_eq!(archive::read(&written).as_ref(), Ok(&files));
            hosts(&written);
        }
        2 => packets(bytes),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let _ = Answers::read(&text);
            if let Ok(Some(course)) = Course::read(&text) {
                course.next();
                // All steps that are to be undone are steps of this course.
                assert!(course.undo().len() <= course.steps().len());
            }
        }
    }
});
