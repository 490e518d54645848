//! Answers become silences: the time between two good answers that is longer than it should be. Time comes in as a value,
//! in microseconds since 1970.

use std::collections::VecDeque;

/// So many silences are kept, the newest: a failover a minute for more than half a day.
const KEPT: usize = 1_000;

/// What happened to a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was asked.
    Asked,
    /// It had a good answer.
    Answered,
    /// It had a bad one, or none, for this reason.
    Failed(String),
    /// A lock was got that somebody else should hold.
    Lost,
    /// Time has passed.
    Timeout,
}

/// Two good answers and none between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The last answer before it.
    pub from_us: u64,
    /// The first answer after it.
    pub to_us: u64,
    /// Why the last question in it had none.
    pub why: Option<String>,
}

impl Silence {
    /// How long it was, in milliseconds.
    pub fn ms(&self) -> f64 {
        self.to_us.saturating_sub(self.from_us) as f64 / 1000.0
    }
}

/// What there is to tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// The first answer of all.
    First,
    /// No answer since then, for this reason.
    Silent {
        /// The last answer, or the beginning.
        since_us: u64,
        /// What was wrong with the last question.
        why: Option<String>,
    },
    /// There is an answer again.
    Answers(Silence),
    /// Somebody has lost a lock.
    Lost,
}

/// What one target has answered.
#[derive(Clone, Debug)]
pub struct Record {
    limit_us: u64,
    last_us: u64,
    is_silent: bool,
    is_lost: bool,
    why: Option<String>,
    silences: VecDeque<Silence>,
    /// Questions.
    pub asked: u64,
    /// Good answers.
    pub answered: u64,
    /// Silences, those included that are not kept any more.
    pub silent_times: u64,
    /// How often a lock was got that somebody else should hold.
    pub lost: u64,
}

impl Record {
    /// Begins; a pause between answers that is longer than `limit_us` is a silence.
    pub fn new(begin_us: u64, limit_us: u64) -> Record {
        Record {
            limit_us,
            last_us: begin_us,
            is_silent: false,
            is_lost: false,
            why: None,
            silences: VecDeque::new(),
            asked: 0,
            answered: 0,
            silent_times: 0,
            lost: 0,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now_us: u64, event: Event) -> Option<Told> {
        match event {
            Event::Asked => self.asked += 1,
            Event::Answered => return self.answer(now_us),
            Event::Failed(why) => self.why = Some(why),
            Event::Lost => {
                self.lost += 1;
                // Once for each loss: until it is refused again.
                let is_news = !std::mem::replace(&mut self.is_lost, true);
                self.last_us = now_us.max(self.last_us);
                self.is_silent = false;
                return is_news.then_some(Told::Lost);
            }
            Event::Timeout => {}
        }
        if !self.is_silent && now_us.saturating_sub(self.last_us) > self.limit_us {
            self.is_silent = true;
            return Some(Told::Silent { since_us: self.last_us, why: self.why.clone() });
        }
        None
    }

    fn answer(&mut self, now_us: u64) -> Option<Told> {
        let is_first = self.answered == 0;
        let from_us = self.last_us;
        self.last_us = now_us.max(from_us);
        let why = self.why.take();
        self.answered += 1;
        (self.is_silent, self.is_lost) = (false, false);
        // How long nobody was there before the first answer says nothing of the service.
        if is_first {
            return Some(Told::First);
        }
        if now_us.saturating_sub(from_us) <= self.limit_us {
            return None;
        }
        let silence = Silence { from_us, to_us: now_us, why };
        self.silent_times += 1;
        if self.silences.len() == KEPT {
            self.silences.pop_front();
        }
        self.silences.push_back(silence.clone());
        Some(Told::Answers(silence))
    }

    /// Whether no answer came for too long, or none at all.
    pub fn is_silent(&self) -> bool {
        self.is_silent || self.answered == 0
    }

    /// The newest silences, oldest first.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `TIME WHAT` in milliseconds; gives what was told.
    fn play(script: &str) -> (Record, Vec<String>) {
        let mut record = Record::new(0, 50_000);
        let mut told = Vec::new();
        for step in script.split(", ") {
            let (at, what) = step.split_once(' ').unwrap();
            let event = match what {
                "asked" => Event::Asked,
                "answered" => Event::Answered,
                "timeout" => Event::Timeout,
                "lost" => Event::Lost,
                why => Event::Failed(why.to_owned()),
            };
            let at = at.parse::<u64>().unwrap() * 1000;
            told.extend(record.handle(at, event).map(|one| match one {
                Told::First => format!("{} first", at / 1000),
                Told::Lost => format!("{} lost", at / 1000),
                Told::Silent { since_us, why } => format!("{} silent since {} {why:?}", at / 1000, since_us / 1000),
                Told::Answers(silence) => format!("{} after {} {:?}", at / 1000, silence.ms(), silence.why),
            }));
        }
        (record, told)
    }

    #[test]
    fn a_silence_is_told_when_it_is_one_and_when_it_ends() {
        let (record, told) = play(
            "0 asked, 1 answered, 10 asked, 11 answered, 20 asked, 30 refused, 40 timeout, 70 timeout, 90 gone, \
             100 asked, 101 answered, 140 answered",
        );
        assert_eq!(told, ["1 first", "70 silent since 11 Some(\"refused\")", "101 after 90 Some(\"gone\")"]);
        assert_eq!((record.asked, record.answered, record.silent_times), (4, 4, 1));
        assert!(!record.is_silent());
    }

    #[test]
    fn a_silence_that_nobody_looked_at_is_one_and_the_beginning_is_none() {
        let (record, told) = play("60 timeout, 70 timeout, 80 answered, 200 answered");
        assert_eq!(told, ["60 silent since 0 None", "80 first", "200 after 120 None"]);
        assert_eq!(record.silences().count(), 1);
        assert!(Record::new(0, 1).is_silent(), "nobody has answered");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_silence() {
        let (record, told) = play("100 answered, 20 answered, 30 answered, 120 answered, 160 answered");
        assert_eq!(told, ["100 first"]);
        assert_eq!(record.answered, 5);
    }

    #[test]
    fn a_lock_is_lost_once_until_it_is_held_again() {
        let (record, told) = play("1 answered, 40 lost, 80 lost, 120 answered, 160 lost");
        assert_eq!(told, ["1 first", "40 lost", "160 lost"]);
        assert_eq!((record.lost, record.silent_times), (3, 0));
    }

    #[test]
    fn the_newest_are_kept() {
        let mut record = Record::new(0, 10);
        for at in 0..(KEPT as u64 + 10) {
            record.handle(at * 1000, Event::Answered);
        }
        assert_eq!(record.silences().count(), KEPT);
        assert_eq!(record.silent_times, KEPT as u64 + 9);
    }
}
