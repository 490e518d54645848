//! Members of different builds: all speak the newest protocol that each of them knows, and what is new in a later one is
//! said to an older member in the words it has.

use cib::{Author, Lifetime, Write};
use wire::Message;
use wire::write::{AuthorForm, WriteForm};

/// The message in words of that protocol; one that has none there is not said, as its sender must see beforehand.
pub fn lowered(message: Message, protocol: u32) -> Vec<Message> {
    if message.protocol() <= protocol {
        return vec![message];
    }
    match message {
        Message::Write { origin, write: WriteForm::Attributes { values } } => {
            let last = values.len().saturating_sub(1);
            let one = |(place, (node, name, value)): (usize, _)| Message::Write {
                // Who waits is told once, at the last.
                origin: if place == last { origin } else { wire::Origin::Local },
                write: WriteForm::Attribute { node, permanent: false, name, value, author: AuthorForm::default() },
            };
            values.into_iter().enumerate().map(one).collect()
        }
        // It forgets more than it need: attributes are said again by those who set them.
        Message::Write { origin, write: WriteForm::Returned { node } } => {
            vec![Message::Write { origin, write: WriteForm::Joined { node } }]
        }
        Message::Update { origin, update } => {
            let value = match update.change {
                wire::AttributeChange::Keep => return Vec::new(),
                wire::AttributeChange::Set(value) => Some(value),
                wire::AttributeChange::Clear => None,
            };
            let node = update.node.unwrap_or_default();
            let write = Write::Attribute {
                node,
                lifetime: Lifetime::Transient,
                name: update.name,
                value,
                author: Author::default(),
            };
            vec![Message::Write { origin, write: WriteForm::from(&write) }]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{FIRST_PROTOCOL, Origin, PROTOCOL};

    #[test]
    fn what_is_said_to_an_older_member_is_in_its_words() {
        let values =
            vec![("a".to_owned(), "x".to_owned(), Some("1".to_owned())), ("b".to_owned(), "x".to_owned(), None)];
        let update = wire::Update {
            node: Some("a".into()),
            name: "x".into(),
            change: wire::AttributeChange::Clear,
            dampening: wire::Dampening::Set(5_000),
            private: false,
        };
        let origin = Origin::Client(7);
        for (message, count) in [
            (Message::Write { origin, write: WriteForm::Attributes { values } }, 2),
            (Message::Write { origin, write: WriteForm::Returned { node: "a".into() } }, 1),
            (Message::Update { origin, update }, 1),
            (Message::Gathered { names: vec!["x".into()] }, 0),
        ] {
            assert_eq!(lowered(message.clone(), PROTOCOL), std::slice::from_ref(&message));
            let said = lowered(message, FIRST_PROTOCOL);
            assert_eq!(said.len(), count);
            assert!(said.iter().all(|message| message.protocol() == FIRST_PROTOCOL));
            let waits = |message: &Message| matches!(message, Message::Write { origin: Origin::Client(7), .. });
            assert_eq!(said.iter().filter(|message| waits(message)).count(), count.min(1));
        }
    }
}
