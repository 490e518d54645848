//! Names of routing tables, as the files of iproute2 give them to numbers. What is in a table, `netlink` reads.

use std::fs;

use crate::netlink::TABLE_MAIN;

/// Where distributions and administrators name tables; the first that knows a name counts.
const FILES: [&str; 3] = ["/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables", "/usr/lib/iproute2/rt_tables"];

/// The number of a table, by its name or number; the main table for an empty text.
pub fn table_number(text: &str) -> Option<u32> {
    match text {
        "" | "main" => Some(TABLE_MAIN),
        "default" => Some(253),
        "local" => Some(255),
        _ => text.parse().ok().or_else(|| FILES.iter().find_map(|file| named(&fs::read_to_string(file).ok()?, text))),
    }
}

fn named(file: &str, name: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or("");
        let (number, word) = line.trim().split_once([' ', '\t'])?;
        (word.trim() == name).then(|| number.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_names_and_numbers() {
        let file = "# reserved\n255\tlocal\n100 \t office # ours\nx bad\n";
        assert_eq!(named(file, "office"), Some(100));
        assert_eq!(named(file, "bad"), None);
        assert_eq!(["", "main", "local", "77"].map(table_number), [Some(254), Some(254), Some(255), Some(77)]);
        assert_eq!(table_number("no such table"), None);
    }
}
