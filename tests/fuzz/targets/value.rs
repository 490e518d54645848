#![no_main]
//! Dates, durations, scores, booleans, versions on any text.

use cib::date::{Span, ctime, format, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for now in [i64::MAX, i64::MIN] {
        let _ = parse(text, now).map(|unix| (format(unix), ctime(unix)));
    }
    // A time near an end of the calendar may be moved beyond it by its offset, and is then only written.
    const READABLE: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;
    if let Some(unix) = parse(text, 1_700_000_000).filter(|unix| READABLE.contains(unix)) {
        assert_eq!(parse(&format(unix), 0), Some(unix), "{}", format(unix));
    }
    for name in ["years", "months", "weeks", "days", "hours", "minutes", "seconds"] {
        if let Some(span) = Span::from_attributes([(name, text), ("days", "3")].into_iter()) {
            let later = span.after(1_700_000_000);
            let _ = (span.after(later), span.after(i64::MAX), span.after(i64::MIN), format(later));
        }
    }
    let _ = (cib::duration::parse_ms(text), cib::duration::interval_ms(Some(text)));
    if let Some(score) = cib::score::Score::parse_exact(text) {
        assert_eq!(cib::score::Score::parse(&score.to_string()), Some(score));
    }
    let _ = (cib::score::Score::parse(text), cib::boolean::parse(text));
    let _ = (ocf::duration_ms(text), ocf::boolean(text), ocf::exit_reason(text));
    let (a, b) = text.split_at(text.floor_char_boundary(text.len() / 2));
    assert_eq!(cib::rule::compare_versions(a, b), cib::rule::compare_versions(b, a).reverse(), "{a:?} and {b:?}");
});
