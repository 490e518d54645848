//! A picture drawn: a column for each node, resources stacked in it, constraints as lines between them.

use std::collections::BTreeMap;

use crate::{Kind, Picture, Place};

/// Width of a column, and between two of them, in pixels.
const COLUMN: u32 = 200;
const GAP: u32 = 110;
/// Height of a line of text.
const LINE: u32 = 18;
/// Around a box, and within it.
const MARGIN: u32 = 10;
/// The head of a column.
const HEAD: u32 = 40;

/// Where something stands: left, top, width, height.
type Area = (u32, u32, u32, u32);

/// Draws it.
pub fn write(picture: &Picture) -> String {
    let (areas, columns) = lay_out(picture);
    let bottom = columns.values().map(|(_, top, _, height)| top + height).max().unwrap_or(0);
    let legend = ["order", "together", "apart", "prefers", "avoids"];
    let height = bottom + 2 * MARGIN + LINE;
    let width = (picture.places.len() as u32 * (COLUMN + GAP)).max(640);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for place in &picture.places {
        column(&mut out, place, columns[place.name.as_str()]);
        for one in &place.boxes {
            let (left, top, width, height) = areas[&(one.id.as_str(), place.name.as_str())];
            let (fill, edge) = if one.failed { ("#fde0e0", "#b00") } else { ("#e6f0fa", "#369") };
            rectangle(&mut out, (left, top, width, height), fill, edge);
            let titled = one.lines.len() > 1;
            let lines = titled.then_some(one.id.as_str()).into_iter().chain(one.lines.iter().map(String::as_str));
            for (number, line) in lines.enumerate() {
                let bold = if titled && number == 0 { " font-weight=\"bold\"" } else { "" };
                let (x, y) = (left + MARGIN, top + LINE * (number as u32 + 1));
                out.push_str(&format!("<text x=\"{x}\" y=\"{y}\"{bold}>{}</text>\n", escaped(line)));
            }
        }
    }
    for (number, arrow) in picture.arrows.iter().enumerate() {
        let of = |id: &str| areas.iter().find(|((known, _), _)| *known == id).map(|(_, area)| *area);
        let Some(from) = of(&arrow.from) else { continue };
        let to = match arrow.kind {
            Kind::Prefers | Kind::Avoids => {
                columns.get(arrow.to.as_str()).map(|(left, top, width, _)| (*left, *top, *width, HEAD))
            }
            _ => of(&arrow.to),
        };
        let Some(to) = to else { continue };
        line(&mut out, from, to, arrow.kind, &arrow.label, number as u32);
    }
    for (index, (word, kind)) in
        legend.iter().zip([Kind::Order, Kind::With, Kind::Apart, Kind::Prefers, Kind::Avoids]).enumerate()
    {
        let (color, dashes) = look(kind);
        let (x, y) = (MARGIN + index as u32 * 120, bottom + MARGIN + LINE);
        out.push_str(&format!(
            "<path d=\"M{x} {}h30\" stroke=\"{color}\" stroke-dasharray=\"{dashes}\"/><text x=\"{}\" y=\"{y}\">{word}</text>\n",
            y - 4,
            x + 36
        ));
    }
    out + "</svg>\n"
}

type Layout<'p> = (BTreeMap<(&'p str, &'p str), Area>, BTreeMap<&'p str, Area>);

fn lay_out(picture: &Picture) -> Layout<'_> {
    let (mut areas, mut columns) = (BTreeMap::new(), BTreeMap::new());
    for (index, place) in picture.places.iter().enumerate() {
        let left = MARGIN + index as u32 * (COLUMN + GAP);
        let mut top = MARGIN + HEAD;
        for one in &place.boxes {
            let lines = one.lines.len() as u32 + u32::from(one.lines.len() > 1);
            let height = lines * LINE + MARGIN;
            areas.insert((one.id.as_str(), place.name.as_str()), (left + MARGIN, top, COLUMN - 2 * MARGIN, height));
            top += height + MARGIN;
        }
        columns.insert(place.name.as_str(), (left, MARGIN, COLUMN, top.max(MARGIN + HEAD + LINE) - MARGIN));
    }
    (areas, columns)
}

fn column(out: &mut String, place: &Place, area: Area) {
    let (left, top, ..) = area;
    let well = place.state.is_empty();
    rectangle(out, area, if well { "#f8f8f8" } else { "#fff6e0" }, "#999");
    let title = if well { place.name.clone() } else { format!("{} ({})", place.name, place.state) };
    let (x, y) = (left + MARGIN, top + LINE + 4);
    out.push_str(&format!(
        "<text x=\"{x}\" y=\"{y}\" font-weight=\"bold\" font-size=\"15\">{}</text>\n",
        escaped(&title)
    ));
}

fn rectangle(out: &mut String, (left, top, width, height): Area, fill: &str, edge: &str) {
    out.push_str(&format!(
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"{fill}\" stroke=\"{edge}\"/>\n"
    ));
}

/// From the side of one that faces the other; within a column, around its right.
fn line(out: &mut String, from: Area, to: Area, kind: Kind, label: &str, number: u32) {
    let (color, dashes) = look(kind);
    // Lines that would lie on each other begin a little apart.
    let apart = number % 5 * 3;
    let (y1, y2) = (from.1 + from.3 / 2 + apart, to.1 + to.3 / 2 + apart);
    let (x1, x2, bend) = if from.0 < to.0 {
        (from.0 + from.2, to.0, 60)
    } else if from.0 > to.0 {
        (from.0, to.0 + to.2, -60)
    } else {
        (from.0 + from.2, to.0 + to.2, 60)
    };
    let (x1, x2) = (i64::from(x1), i64::from(x2));
    let second = if from.0 == to.0 { x2 + bend } else { x2 - bend };
    out.push_str(&format!(
        "<path d=\"M{x1} {y1}C{} {y1} {second} {y2} {x2} {y2}\" fill=\"none\" stroke=\"{color}\" stroke-dasharray=\"{dashes}\" \
         marker-end=\"url(#head)\"/>\n<text x=\"{}\" y=\"{}\" fill=\"{color}\" font-size=\"11\">{}</text>\n",
        x1 + bend,
        (x1 + bend + second) / 2,
        (y1 + y2) / 2 - 3,
        escaped(label)
    ));
}

fn look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Order => ("#000", "none"),
        Kind::With => ("#06c", "6 3"),
        Kind::Apart => ("#c00", "6 3"),
        Kind::Prefers => ("#080", "2 3"),
        Kind::Avoids => ("#c00", "2 3"),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    cib::document::escape_attribute(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Box;
    use cib::Document;

    #[test]
    fn it_is_xml_with_all_that_there_is() {
        let mut picture = crate::tests::picture();
        picture.places[0].boxes.push(Box { id: "<odd> & \"id\"".into(), lines: vec!["<odd>".into()], failed: true });
        let text = write(&picture);
        let drawn = Document::parse(&text).unwrap();
        let named = |name: &str| drawn.descendants(drawn.root()).filter(|one| drawn.name(*one) == name).count();
        // The ground, a column each, a box each.
        assert_eq!(named("rect"), 1 + 3 + 4);
        assert!(text.contains(">&lt;odd&gt;</text>") && text.contains(">nowhere</text>"), "{text}");
        // The arrow's head, the constraints, the legend.
        assert_eq!(named("path"), 1 + 4 + 5);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(Document::parse(&write(&Picture::default())).is_ok());
    }
}
