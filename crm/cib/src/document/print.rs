//! Documents as text again: indented anew, with everything else as it was read. What has to be escaped is `text`'s.

use std::fmt::Write as _;

use super::text::{BLANKS, escape};
use super::{Document, Element, Kind, NONE};

impl Document {
    /// The whole as text, indented by two blanks, without an XML declaration.
    pub fn to_xml(&self) -> String {
        self.element_to_xml(self.root())
    }

    /// One element as text, indented by two blanks.
    pub fn element_to_xml(&self, element: Element) -> String {
        let mut out = String::with_capacity(self.text.len() * 2);
        self.write(element.0, 0, &mut out);
        out
    }

    fn write(&self, node: u32, depth: usize, out: &mut String) {
        let indent = |out: &mut String, depth: usize| (0..depth).for_each(|_| out.push_str("  "));
        match self.nodes[node as usize].kind {
            Kind::Element { .. } => {
                indent(out, depth);
                let name = self.name(Element(node));
                let _ = write!(out, "<{name}");
                for (key, value) in self.attributes(Element(node)) {
                    let _ = write!(out, " {key}=\"");
                    escape(value, true, out);
                    out.push('"');
                }
                if self.nodes[node as usize].first == NONE {
                    out.push_str("/>\n");
                } else if self.links(Element(node)).any(|n| matches!(self.nodes[n as usize].kind, Kind::Text(_))) {
                    // Mixed content: white space would become part of it.
                    out.push('>');
                    self.links(Element(node)).for_each(|child| self.write_inline(child, out));
                    let _ = writeln!(out, "</{name}>");
                } else {
                    out.push_str(">\n");
                    self.links(Element(node)).for_each(|child| self.write(child, depth + 1, out));
                    indent(out, depth);
                    let _ = writeln!(out, "</{name}>");
                }
            }
            Kind::Comment(span) => {
                indent(out, depth);
                let _ = writeln!(out, "<!--{}-->", self.slice(span));
            }
            Kind::Text(span) => {
                let text = self.slice(span);
                // Blanks that stand alone, or before what will be a reference, would be taken for layout.
                let rest = text.trim_start_matches(BLANKS);
                if rest.is_empty() || rest.starts_with(['&', '<', '>', '\r']) {
                    let blanks = &text[..text.len() - rest.len()];
                    for blank in blanks.bytes() {
                        let _ = write!(out, "&#{blank};");
                    }
                    escape(rest, false, out);
                } else {
                    escape(text, false, out);
                }
            }
            Kind::Removed => {}
        }
    }

    fn write_inline(&self, node: u32, out: &mut String) {
        let start = out.len();
        self.write(node, 0, out);
        if !matches!(self.nodes[node as usize].kind, Kind::Text(_)) && out.len() > start && out.ends_with('\n') {
            out.pop();
        }
    }
}
