//! A picture in the language of Graphviz: nodes as clusters, resources as boxes in them.

use crate::{Kind, Picture};

/// Writes it.
pub fn write(picture: &Picture) -> String {
    let mut out = String::from(
        "digraph cluster {\n  rankdir=LR;\n  compound=true;\n  node [shape=box, fontname=\"sans-serif\"];\n",
    );
    for (index, place) in picture.places.iter().enumerate() {
        let title =
            if place.state.is_empty() { place.name.clone() } else { format!("{} ({})", place.name, place.state) };
        out.push_str(&format!("  subgraph cluster_{index} {{\n    label={};\n", quoted(&title)));
        out.push_str(&format!("    {} [style=invis, label=\"\"];\n", quoted(&anchor(&place.name))));
        for one in &place.boxes {
            let name = place_of(&one.id, &place.name);
            let label =
                if one.lines.len() > 1 { format!("{}\n{}", one.id, one.lines.join("\n")) } else { one.lines.concat() };
            let color = if one.failed { ", color=red" } else { "" };
            out.push_str(&format!("    {} [label={}{color}];\n", quoted(&name), quoted(&label)));
        }
        out.push_str("  }\n");
    }
    for arrow in &picture.arrows {
        let at = |id: &str| picture.places.iter().find(|place| place.boxes.iter().any(|one| one.id == id));
        let Some(from) = at(&arrow.from).map(|place| place_of(&arrow.from, &place.name)) else { continue };
        let to = match arrow.kind {
            Kind::Prefers | Kind::Avoids => anchor(&arrow.to),
            _ => match at(&arrow.to) {
                Some(place) => place_of(&arrow.to, &place.name),
                None => continue,
            },
        };
        let (style, color) = look(arrow.kind);
        out.push_str(&format!(
            "  {} -> {} [label={}, style={style}, color={color}];\n",
            quoted(&from),
            quoted(&to),
            quoted(&arrow.label)
        ));
    }
    out + "}\n"
}

fn look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Order => ("solid", "black"),
        Kind::With => ("dashed", "blue"),
        Kind::Apart => ("dashed", "red"),
        Kind::Prefers => ("dotted", "darkgreen"),
        Kind::Avoids => ("dotted", "red"),
    }
}

fn place_of(id: &str, node: &str) -> String {
    format!("{id} on {node}")
}

fn anchor(node: &str) -> String {
    format!("node {node}")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_stand_in_their_nodes() {
        let text = write(&crate::tests::picture());
        for part in [
            "subgraph cluster_0 {\n    label=\"one\";",
            "\"web on one\" [label=\"web\\nvip\\nsite\"];",
            "\"db on two\" -> \"web on one\" [label=\"Mandatory\", style=solid, color=black];",
            "\"web on one\" -> \"node two\" [label=\"100\", style=dotted, color=darkgreen];",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
