//! Nested lists as text: a title, then items with a bullet, deeper ones indented. What is in them is for others to say.

/// Text that grows line by line, with the depth it is at.
#[derive(Clone, Debug, Default)]
pub struct List {
    text: String,
    depth: usize,
}

impl List {
    /// Nothing written yet.
    pub fn new() -> Self {
        List::default()
    }

    /// Begins a list under the one we are in.
    pub fn begin(&mut self, title: &str) {
        self.line(&format!("{title}:"));
        self.depth += 1;
    }

    /// Begins a list under the entry written last; it has no title.
    pub fn deeper(&mut self) {
        self.depth += 1;
    }

    /// One entry of the list we are in.
    pub fn item(&mut self, text: &str) {
        self.line(text);
    }

    /// Ends the list begun last.
    pub fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// An empty line.
    pub fn space(&mut self) {
        self.text.push('\n');
    }

    /// A line that belongs to no list.
    pub fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// What was written, which is gone from here afterwards; the depth stays.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn line(&mut self, text: &str) {
        if self.depth > 0 {
            self.text.push_str(&"  ".repeat(self.depth));
            self.text.push_str("* ");
        }
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// A list that is begun only when the first entry comes, so that no empty one is ever shown.
pub struct Lazy {
    title: Option<String>,
}

impl Lazy {
    /// A list with this title, not begun.
    pub fn new(title: String) -> Self {
        Lazy { title: Some(title) }
    }

    /// Begins it if it is not begun yet.
    pub fn open(&mut self, list: &mut List) {
        if let Some(title) = self.title.take() {
            list.begin(&title);
        }
    }

    /// Whether it was begun.
    pub fn is_open(&self) -> bool {
        self.title.is_none()
    }

    /// Ends it if it was begun.
    pub fn close(self, list: &mut List) {
        if self.is_open() {
            list.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeper_lists_are_indented_and_an_empty_one_is_not_shown() {
        let mut list = List::new();
        list.begin("Outer");
        let mut inner = Lazy::new("Inner".into());
        inner.open(&mut list);
        inner.open(&mut list);
        list.item("one");
        inner.close(&mut list);
        Lazy::new("Never".into()).close(&mut list);
        list.item("two");
        list.end();
        list.plain("done");
        assert_eq!(list.take(), "Outer:\n  * Inner:\n    * one\n  * two\ndone\n");
    }
}
