//! The move of all hosts as a course of steps with a journal: which comes next, and what is to be undone, in which
//! order, after any interruption. Doing it is left to the shell; every step may be begun again.

use std::fmt;
use std::str::FromStr;

/// How the addresses change hands.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// They stay on the interface.
    Adopt,
    /// keepalived takes them off in its own order, and the cluster puts them on, as guides say.
    Classic,
}

/// A step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// What a host has is put into a tar, with checksums.
    BackUp(String),
    /// The cluster is there, with all hosts.
    Cluster,
    /// It does nothing by itself from now on.
    Maintenance,
    /// It has the plan's configuration.
    Load,
    /// Its probes see each address where keepalived has it, and nowhere else.
    Probe,
    /// Once it is let go, it would leave every address where it is.
    Simulate,
    /// A host's keepalived ends.
    Adopt(String),
    /// What was probed is forgotten and probed again: the addresses are off.
    Reprobe,
    /// It may act from now on.
    Release,
    /// It watches each address.
    Watch,
    /// Each address is on one host alone, and no keepalived runs.
    Verify,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::BackUp(host) => write!(f, "back-up {host}"),
            Step::Cluster => f.write_str("cluster"),
            Step::Maintenance => f.write_str("maintenance"),
            Step::Load => f.write_str("load"),
            Step::Probe => f.write_str("probe"),
            Step::Simulate => f.write_str("simulate"),
            Step::Adopt(host) => write!(f, "adopt {host}"),
            Step::Reprobe => f.write_str("reprobe"),
            Step::Release => f.write_str("release"),
            Step::Watch => f.write_str("watch"),
            Step::Verify => f.write_str("verify"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Step, String> {
        Ok(match text.split_once(' ') {
            Some(("back-up", host)) => Step::BackUp(host.to_owned()),
            Some(("adopt", host)) => Step::Adopt(host.to_owned()),
            None if text == "cluster" => Step::Cluster,
            None if text == "maintenance" => Step::Maintenance,
            None if text == "load" => Step::Load,
            None if text == "probe" => Step::Probe,
            None if text == "simulate" => Step::Simulate,
            None if text == "reprobe" => Step::Reprobe,
            None if text == "release" => Step::Release,
            None if text == "watch" => Step::Watch,
            None if text == "verify" => Step::Verify,
            _ => return Err(format!("{text:?} is no step")),
        })
    }
}

/// What is noted of a step.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Mark {
    /// It may have done something.
    Begun,
    /// It has done all.
    Done,
    /// It is as before.
    Undone,
}

const MARKS: [(Mark, &str); 3] = [(Mark::Begun, "begun"), (Mark::Done, "done"), (Mark::Undone, "undone")];

/// A move, as far as it has got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Course {
    /// How.
    pub way: Way,
    /// What it was begun with: another plan is another course.
    pub inputs: String,
    /// The hosts, in the order in which they hand over: who holds addresses comes last.
    pub order: Vec<String>,
    entries: Vec<(Mark, Step)>,
}

impl Course {
    /// One that has not begun.
    pub fn new(way: Way, inputs: String, order: Vec<String>) -> Course {
        Course { way, inputs, order, entries: Vec::new() }
    }

    /// The journal's first line.
    pub fn head(&self) -> String {
        let way = if self.way == Way::Adopt { "adopt" } else { "classic" };
        format!("course {way} {} {}\n", self.inputs, self.order.join(" "))
    }

    /// A line of the journal.
    pub fn line(at: i64, mark: Mark, step: &Step) -> String {
        let word = MARKS.iter().find(|(other, _)| *other == mark).map_or("", |(_, word)| word);
        format!("{at} {word} {step}\n")
    }

    /// From a journal; none of an empty one. A last line without its end was being written when all ended: it does not
    /// count.
    ///
    /// # Errors
    /// The line that is none.
    pub fn read(text: &str) -> Result<Option<Course>, String> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate();
        let Some((_, head)) = lines.next().filter(|(_, line)| !line.is_empty()) else { return Ok(None) };
        let words: Vec<&str> = head.split(' ').collect();
        let ["course", way, inputs, order @ ..] = words.as_slice() else {
            return Err(format!("line 1 is {head:?}: expected a journal of migrate apply"));
        };
        let way = if *way == "classic" { Way::Classic } else { Way::Adopt };
        let order = order.iter().map(|host| (*host).to_owned()).collect();
        let mut course = Course::new(way, (*inputs).to_owned(), order);
        for (number, line) in lines {
            let wrong = |why: &str| format!("line {} is {line:?}: {why}", number + 1);
            let mut words = line.splitn(3, ' ');
            let (_, word, step) = (words.next(), words.next(), words.next().unwrap_or_default());
            // What is said to people in between.
            if word == Some("note") {
                continue;
            }
            let mark = MARKS.iter().find(|(_, other)| Some(*other) == word).map(|(mark, _)| *mark);
            let mark = mark.ok_or_else(|| wrong("expected begun, done or undone"))?;
            course.note(mark, step.parse().map_err(|why: String| wrong(&why))?);
        }
        Ok(Some(course))
    }

    /// Notes what was written.
    pub fn note(&mut self, mark: Mark, step: Step) {
        self.entries.push((mark, step));
    }

    /// All steps, in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.order.iter().cloned().map(Step::BackUp).collect();
        steps.extend([Step::Cluster, Step::Maintenance, Step::Load, Step::Probe]);
        if self.way == Way::Adopt {
            steps.push(Step::Simulate);
        }
        steps.extend(self.order.iter().cloned().map(Step::Adopt));
        if self.way == Way::Classic {
            steps.push(Step::Reprobe);
        }
        steps.extend([Step::Release, Step::Watch, Step::Verify]);
        steps
    }

    /// What was noted last of a step.
    pub fn mark(&self, step: &Step) -> Option<Mark> {
        self.entries.iter().rev().find(|(_, other)| other == step).map(|(mark, _)| *mark)
    }

    /// The step that is to be done now.
    pub fn next(&self) -> Option<Step> {
        self.steps().into_iter().find(|step| self.mark(step) != Some(Mark::Done))
    }

    /// What is to be undone, in this order; nothing if all is as before.
    pub fn undo(&self) -> Vec<Step> {
        let begun = |step: &Step| matches!(self.mark(step), Some(Mark::Begun | Mark::Done));
        self.steps().into_iter().rev().filter(begun).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Copy, Clone, PartialEq, Eq, Debug)]
    enum Keeper {
        Works,
        Held,
        Gone,
    }

    /// Two hosts under keepalived and a cluster beside them, as far as a move matters.
    #[derive(Clone, Debug)]
    struct World {
        keepers: Vec<(&'static str, Keeper)>,
        maintenance: bool,
        loaded: bool,
        journal: String,
    }

    /// What kills the one who does it: so many more deeds, then none.
    struct Life(usize);

    impl Life {
        fn goes_on(&mut self) -> Option<()> {
            self.0 = self.0.checked_sub(1)?;
            Some(())
        }
    }

    impl World {
        fn new() -> World {
            let keepers = vec![("two", Keeper::Works), ("one", Keeper::Works)];
            World { keepers, maintenance: false, loaded: false, journal: String::new() }
        }

        fn course(&self) -> Course {
            let order = vec!["two".to_owned(), "one".to_owned()];
            Course::read(&self.journal).unwrap().unwrap_or_else(|| Course::new(Way::Adopt, "x".into(), order))
        }

        fn hold(&self) {
            let acts = self.loaded && !self.maintenance;
            let works = self.keepers.iter().any(|(_, keeper)| *keeper != Keeper::Gone);
            assert!(!(acts && works), "the cluster acts beside keepalived: {self:?}");
        }

        fn set(&mut self, life: &mut Life, change: impl FnOnce(&mut World)) -> Option<()> {
            life.goes_on()?;
            change(self);
            self.hold();
            Some(())
        }

        fn keeper(&mut self, life: &mut Life, host: &str, to: Keeper) -> Option<()> {
            let host = host.to_owned();
            self.set(life, |world| {
                world.keepers.iter_mut().filter(|(name, _)| *name == host).for_each(|(_, keeper)| *keeper = to);
            })
        }

        fn write(&mut self, life: &mut Life, line: &str) -> Option<()> {
            if life.0 == 0 {
                // Killed in the middle of a line.
                self.journal += &line[..line.len() / 2];
            }
            life.goes_on()?;
            let whole = self.journal.rfind('\n').map_or(0, |end| end + 1);
            self.journal.truncate(whole);
            self.journal += line;
            Some(())
        }

        fn apply(&mut self, life: &mut Life) -> Option<()> {
            if self.course().undo().is_empty() {
                self.journal.clear();
                let head = self.course().head();
                self.write(life, &head)?;
            }
            while let Some(step) = self.course().next() {
                self.write(life, &Course::line(0, Mark::Begun, &step))?;
                match &step {
                    Step::Maintenance => self.set(life, |world| world.maintenance = true)?,
                    Step::Load => self.set(life, |world| world.loaded = true)?,
                    Step::Adopt(host) => {
                        self.keeper(life, host, Keeper::Held)?;
                        self.keeper(life, host, Keeper::Gone)?;
                    }
                    Step::Release => self.set(life, |world| world.maintenance = false)?,
                    _ => {}
                }
                self.write(life, &Course::line(0, Mark::Done, &step))?;
            }
            Some(())
        }

        fn roll_back(&mut self, life: &mut Life) -> Option<()> {
            for step in self.course().undo() {
                match &step {
                    Step::Release => self.set(life, |world| world.maintenance = true)?,
                    Step::Adopt(host) => self.keeper(life, host, Keeper::Works)?,
                    Step::Load => self.set(life, |world| world.loaded = false)?,
                    Step::Maintenance => self.set(life, |world| world.maintenance = false)?,
                    _ => {}
                }
                self.write(life, &Course::line(0, Mark::Undone, &step))?;
            }
            Some(())
        }
    }

    const DEEDS_MAX: usize = 100;

    #[test]
    fn killed_anywhere_it_goes_on_or_back() {
        let mut points = 0;
        for first in 0..DEEDS_MAX {
            let mut killed = World::new();
            let finished = killed.apply(&mut Life(first)).is_some();
            for second in 0..DEEDS_MAX {
                points += 1;
                let mut on = killed.clone();
                let _ = on.apply(&mut Life(second));
                on.apply(&mut Life(DEEDS_MAX)).unwrap();
                assert!(on.keepers.iter().all(|(_, keeper)| *keeper == Keeper::Gone) && on.loaded && !on.maintenance);
                let mut back = killed.clone();
                let _ = back.roll_back(&mut Life(second));
                back.roll_back(&mut Life(DEEDS_MAX)).unwrap();
                assert!(back.keepers.iter().all(|(_, keeper)| *keeper == Keeper::Works), "{first} {second} {back:?}");
                assert!(!back.loaded && !back.maintenance);
                back.apply(&mut Life(DEEDS_MAX)).unwrap();
                assert!(back.course().next().is_none() && back.loaded);
            }
            if finished {
                break;
            }
        }
        assert!(points > 20 * DEEDS_MAX, "{points}");
    }

    #[test]
    fn the_holder_hands_over_last_and_is_given_back_first() {
        let mut course = Course::new(Way::Classic, "x".into(), vec!["two".into(), "one".into()]);
        for step in course.steps() {
            assert_eq!(step.to_string().parse::<Step>().as_ref(), Ok(&step));
            course.note(Mark::Done, step);
        }
        let undo = course.undo();
        let at = |step: Step| undo.iter().position(|one| *one == step).unwrap();
        assert!(at(Step::Release) < at(Step::Adopt("one".into())));
        assert!(at(Step::Adopt("one".into())) < at(Step::Adopt("two".into())));
        assert!(Course::read("nonsense\n").is_err() && Course::read("").unwrap().is_none());
    }
}
