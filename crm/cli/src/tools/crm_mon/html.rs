//! The state of the cluster as a page: what `text` says, its sections as headings and its lists as lists.

use std::time::Duration;

/// The page; a browser renews it as often as it is written.
pub fn page(text: &str, every: Duration) -> String {
    let seconds = every.as_secs().max(1);
    let mut page = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"{seconds}\">\n\
         <title>Cluster Status</title>\n</head>\n<body>\n<h1>Cluster Status</h1>\n"
    );
    let mut depth = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let wanted = depth_of(line);
        while depth < wanted {
            page.push_str("<ul>\n");
            depth += 1;
        }
        while depth > wanted {
            page.push_str("</ul>\n");
            depth -= 1;
        }
        let words = escaped(line.trim().trim_start_matches("* "));
        match (wanted, words.strip_suffix(':')) {
            (0, Some(title)) => page.push_str(&format!("<h2>{title}</h2>\n")),
            (0, None) => page.push_str(&format!("<p>{words}</p>\n")),
            _ => page.push_str(&format!("<li>{words}</li>\n")),
        }
    }
    page.push_str(&"</ul>\n".repeat(depth));
    page + "</body>\n</html>\n"
}

/// How deep in lists a line stands: two blanks and a star a level; 0 outside of all lists.
fn depth_of(line: &str) -> usize {
    let item = line.trim_start_matches(' ');
    if item.starts_with("* ") { (line.len() - item.len()) / 2 } else { 0 }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_headings_and_lists_are_lists() {
        let text = "Node List:\n  * Online: [ a b ]\n\nActive Resources:\n  * Resource Group: g:\n    * ip\t(ocf:x:<y>):\t Started a\n\n  *** off ***\n";
        let page = page(text, Duration::from_secs(15));
        let body = page.split_once("</h1>\n").unwrap().1;
        assert_eq!(
            body,
            "<h2>Node List</h2>\n<ul>\n<li>Online: [ a b ]</li>\n</ul>\n<h2>Active Resources</h2>\n<ul>\n\
             <li>Resource Group: g:</li>\n<ul>\n<li>ip (ocf:x:&lt;y&gt;):  Started a</li>\n</ul>\n</ul>\n<p>*** off ***</p>\n\
             </body>\n</html>\n"
        );
        assert!(page.contains("content=\"15\""), "{page}");
    }
}
