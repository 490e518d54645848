//! What made a plan necessary, as far as it was written: whoever has to look into a storm of plans must not look for a
//! failure where somebody writes an attribute without end.

use cib::Write;

/// What was written since the last plan was asked for.
#[derive(Debug, Default)]
pub struct News {
    /// An attribute of a node, in words.
    attribute: Option<String>,
    /// And something else.
    other: bool,
}

impl News {
    /// This was, and no plan knew that it would be.
    pub fn written(&mut self, write: &Write) {
        match write {
            Write::Attribute { node, name, .. } => self.attribute = Some(in_words(name, node)),
            Write::Attributes { values } => match values.last() {
                Some(last) => self.attribute = Some(in_words(&last.name, &last.node)),
                None => self.other = true,
            },
            _ => self.other = true,
        }
    }

    /// A plan is asked for. The attribute that it was asked for, if nothing else was written.
    pub fn taken(&mut self) -> Option<String> {
        std::mem::take(self).into_attribute()
    }

    fn into_attribute(self) -> Option<String> {
        self.attribute.filter(|_| !self.other)
    }
}

fn in_words(name: &str, node: &str) -> String {
    format!("attribute {name} of {node}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib::{Author, Lifetime};

    #[test]
    fn an_attribute_is_the_news_only_where_nothing_else_was_written() {
        let attribute = Write::Attribute {
            node: "a".into(),
            lifetime: Lifetime::Transient,
            name: "load".into(),
            value: None,
            author: Author::default(),
        };
        let mut news = News::default();
        assert_eq!(news.taken(), None);
        news.written(&attribute);
        assert_eq!(news.taken().as_deref(), Some("attribute load of a"));
        assert_eq!(news.taken(), None, "it was taken");
        news.written(&attribute);
        news.written(&Write::LetGo { node: "a".into() });
        assert_eq!(news.taken(), None);
    }
}
