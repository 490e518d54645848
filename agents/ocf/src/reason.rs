//! How an agent says why: a line on its standard error with a mark in front.

/// The mark; agents find it in `OCF_EXIT_REASON_PREFIX`.
pub const EXIT_REASON_PREFIX: &str = "ocf-exit-reason:";

/// The reason in what an agent wrote to its standard error: the last line that carries the mark, without the mark.
///
/// An empty reason counts as none.
pub fn exit_reason(stderr: &str) -> Option<&str> {
    stderr
        .lines()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix(EXIT_REASON_PREFIX))
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
}

#[cfg(test)]
mod tests {
    use super::exit_reason;

    #[test]
    fn the_last_marked_line_counts() {
        let cases = [
            ("", None),
            ("mount: no such device\n", None),
            ("ocf-exit-reason:no such device", Some("no such device")),
            ("ocf-exit-reason:first\nnoise\nocf-exit-reason: second \nnoise\n", Some("second")),
            ("ocf-exit-reason:\n", None),
            ("not at the start: ocf-exit-reason:x\n", None),
        ];
        for (stderr, expected) in cases {
            assert_eq!(exit_reason(stderr), expected, "{stderr:?}");
        }
    }
}
