//! What a document keeps, edits, refuses and says.

use super::*;

fn round_trip(source: &str) {
    assert_eq!(Document::parse(source).unwrap().to_xml(), source);
}

#[test]
fn keeps_order_comments_entities_and_the_unknown() {
    round_trip(concat!(
        "<cib z=\"1\" a=\"2 &amp; &quot;3&quot;&#10;\" x:y=\"\">\n",
        "  <!-- why -->\n",
        "  <future thing=\"&lt;\">\n    <nested/>\n  </future>\n",
        "  <note>two &lt; three</note>\n",
        "</cib>\n"
    ));
}

#[test]
fn edits_in_place() {
    let mut d = Document::parse("<a><b id='1'/><b id='2'/></a>").unwrap();
    let root = d.root();
    let (one, two) = (d.child(root, "b").unwrap(), d.children(root).nth(1).unwrap());
    d.set(one, "k", "v");
    d.set(one, "id", "one");
    d.place_before(two, Some(one));
    let c = d.insert(root, Some(one), "c");
    assert_eq!(d.to_xml(), "<a>\n  <b id=\"2\"/>\n  <c/>\n  <b id=\"one\" k=\"v\"/>\n</a>\n");
    d.remove(c);
    d.unset(one, "id");
    d.compact();
    assert_eq!(d.to_xml(), "<a>\n  <b id=\"2\"/>\n  <b k=\"v\"/>\n</a>\n");
}

#[test]
fn says_where_and_what_was_expected() {
    let check = |source: &str, expected: &str| {
        assert_eq!(Document::parse(source).unwrap_err().render("cib.xml", source), expected);
    };
    check("<a>\n  <b></c>\n</a>", "cib.xml:2:6: expected </b>, found </c>\n      <b></c>\n         ^");
    check("<a>\n", "cib.xml:2:1: the text ends, but <a> of line 1 is not closed; expected </a>");
    check("", "cib.xml:1:1: there is no element in the text");
    check(
        "<!DOCTYPE a><a/>",
        "cib.xml:1:1: a document type is not allowed here; remove it\n    <!DOCTYPE a><a/>\n    ^",
    );
}

#[test]
fn what_is_set_can_be_read_again() {
    let mut d = Document::new("a");
    d.set(d.root(), "reason", "\u{1b}[31mred\0\n\t<&>\"'");
    let again = Document::parse(&d.to_xml()).unwrap();
    assert_eq!(again.attribute(again.root(), "reason"), Some("\u{fffd}[31mred\u{fffd}\n\t<&>\"'"));
    assert!(is_name("lrm_rsc_op") && !is_name("") && !is_name("a b") && !is_name("9") && !is_name("a='b'"));
}

#[test]
fn names_are_names() {
    for source in ["<\t/>", "<a><9/></a>", "<a b='1' c$='2'/>", "<a/b='1'/>", "<a>< b='1'></></a>"] {
        assert!(Document::parse(source).is_err(), "{source}");
    }
}

#[test]
fn blanks_that_are_text_stay() {
    for source in
        ["<a>x &amp; &lt; y\n</a>", "<a><![CDATA[ ]]></a>", "<a><![CDATA[ \n<b>]]></a>", "<a>&#9;<b/>&#13; </a>"]
    {
        let first = Document::parse(source).unwrap();
        let again = Document::parse(&first.to_xml()).unwrap();
        assert!(first.same(first.root(), &again, again.root()), "{source}: {}", first.to_xml());
    }
    let text = |source| {
        let d = Document::parse(source).unwrap();
        d.text(d.root())
    };
    assert_eq!((text("<a>x &amp; &lt; y\n</a>").as_str(), text("<a> \n </a>").as_str()), ("x & < y\n", ""));
}

#[test]
fn what_xml_cannot_carry_is_not_read() {
    let message = "a character that XML does not allow";
    for (source, column) in [("<a b='\u{7}'/>", 7), ("<a>\0</a>", 4), ("<a>\u{ffff}</a>", 4), ("<!--\u{b}--><a/>", 5)] {
        let error = Document::parse(source).unwrap_err();
        assert!(error.message.starts_with(message), "{error}");
        assert_eq!(error.position.column, column, "{source:?}");
    }
    assert!(Document::parse("<a b='&#7;'/>").is_err() && Document::parse("<a>&#x0;</a>").is_err());
    assert!(Document::parse("<a b='\u{feff}\u{fffd}&#10;'/>").is_ok());
}

#[test]
fn depth_is_bounded() {
    let deep = "<a>".repeat(100_000);
    assert!(Document::parse(&deep).unwrap_err().message.contains("nested"));
}

#[test]
fn an_element_moves_to_another_parent_with_all_below_it() {
    let mut document = Document::parse("<a><b x='1'><c/></b><d><e/></d></a>").unwrap();
    let (b, d) = (document.descend(&["b"]).unwrap(), document.descend(&["d"]).unwrap());
    document.adopt(d, b);
    assert_eq!(document.to_xml(), Document::parse("<a><d><e/><b x='1'><c/></b></d></a>").unwrap().to_xml());
    assert_eq!(document.parent(b), Some(d));
}

#[test]
fn names_are_asked_for_one_by_one_or_all_at_once() {
    let many: String = (0..12).map(|number| format!(" a{number}=\"{number}\"")).collect();
    let mut d = Document::parse(&format!("<a><few x='1' y='2'/><few y='3' x='4'/><many{many}/></a>")).unwrap();
    let elements: Vec<Element> = d.children(d.root()).collect();
    let names = d.known_names(["x", "y", "a11", "nowhere"]);
    let expected =
        [[Some("1"), Some("2"), None, None], [Some("4"), Some("3"), None, None], [None, None, Some("11"), None]];
    for (element, expected) in elements.iter().zip(expected) {
        assert_eq!(d.values(*element, &names), expected);
        assert_eq!(["x", "y", "a11", "nowhere"].map(|name| d.attribute(*element, name)), expected);
        assert_eq!(["x", "y", "a11", "nowhere"].map(|name| d.value(*element, d.known_name(name))), expected);
    }
    d.set(elements[0], "nowhere", "learnt later");
    assert_eq!(d.values(elements[0], &names), [Some("1"), Some("2"), None, None]);
}
