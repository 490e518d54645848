//! Is an address somebody else's? Two machines that decide it: one asks before the address is taken, one defends it
//! while it is held. They see frames only as "somebody claims it"; sockets and clocks are the caller's.
//!
//! The rules are RFC 5227 (IPv4) and RFC 4862 (IPv6), with waits short enough for a failover.

use std::time::Duration;

use crate::announce::Mac;

/// How often the link is asked before the address is taken, so that one lost frame does not hide an owner.
const QUESTIONS: u32 = 2;
/// How long somebody who claimed the address has to answer for it: a host on the link needs a fraction of a
/// millisecond, a busy one some tens.
const ANSWER_WAIT: Duration = Duration::from_millis(200);
/// RFC 5227: who is contradicted twice in this time gives the address up.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody else says that the address is theirs.
    Claimed(Mac),
    /// The deadline came.
    Timeout,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Ask the link who has the address.
    Ask,
    /// Tell the link that it is ours.
    Announce,
    /// Nobody has it: take it.
    Free,
    /// This one has it.
    Owned(Mac),
}

/// Asks before the address is taken. Times are since its beginning.
#[derive(Debug)]
pub struct Detection {
    wait: Duration,
    asked: u32,
    verdict: Option<Command>,
}

impl Detection {
    /// Listens for so long in all.
    pub fn new(wait: Duration) -> Detection {
        Detection { wait, asked: 0, verdict: None }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Duration, event: Event) {
        match event {
            // The first claim decides, and so does the end of the time.
            _ if self.verdict.is_some() => {}
            Event::Claimed(mac) => self.verdict = Some(Command::Owned(mac)),
            Event::Timeout if now >= self.wait => self.verdict = Some(Command::Free),
            Event::Timeout => {}
        }
    }

    /// What to do next; `None` to wait until the deadline.
    pub fn poll(&mut self, now: Duration) -> Option<Command> {
        if self.verdict.is_some() {
            return self.verdict;
        }
        (self.asked < QUESTIONS && now >= self.next_question()).then(|| {
            self.asked += 1;
            Command::Ask
        })
    }

    /// When to send [`Event::Timeout`].
    pub fn deadline(&self) -> Duration {
        if self.asked < QUESTIONS { self.next_question() } else { self.wait }
    }

    fn next_question(&self) -> Duration {
        self.wait * self.asked / QUESTIONS
    }
}

/// Defends the address while it is held. Times are since its beginning.
///
/// One frame is not believed, or anybody could take a service down with it: who sent it is asked, and is told whose the
/// address is. Who answers, or claims it again within ten seconds, has it.
///
/// ```text
///            claim / Ask            no answer / Announce
///   Quiet ────────────────► Asking ─────────────────────► Defended ──── ten seconds ───► Quiet
///                             │ claim                        │ claim
///                             └──────────► Owned ◄───────────┘
/// ```
#[derive(Debug, Default)]
pub struct Defence {
    state: State,
    command: Option<Command>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Quiet,
    Asking {
        until: Duration,
    },
    Defended {
        until: Duration,
    },
    Owned,
}

impl Defence {
    /// Takes in what happened.
    pub fn handle(&mut self, now: Duration, event: Event) {
        let (state, command) = match (&self.state, event) {
            (State::Quiet, Event::Claimed(_)) => (State::Asking { until: now + ANSWER_WAIT }, Command::Ask),
            (State::Asking { .. } | State::Defended { .. }, Event::Claimed(mac)) => (State::Owned, Command::Owned(mac)),
            (State::Asking { until }, Event::Timeout) if now >= *until => {
                (State::Defended { until: now + DEFEND_INTERVAL }, Command::Announce)
            }
            (State::Defended { until }, Event::Timeout) if now >= *until => {
                self.state = State::Quiet;
                return;
            }
            (_, Event::Timeout) | (State::Owned, Event::Claimed(_)) => return,
        };
        (self.state, self.command) = (state, Some(command));
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Command> {
        self.command.take()
    }

    /// When to send [`Event::Timeout`], if ever.
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Asking { until } | State::Defended { until } => Some(until),
            State::Quiet | State::Owned => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEM: Mac = [2, 0, 0, 0, 0, 9];

    fn ms(text: &str) -> Duration {
        Duration::from_millis(text.parse().unwrap())
    }

    fn word(command: Option<Command>) -> &'static str {
        match command {
            None => "-",
            Some(Command::Ask) => "ask",
            Some(Command::Announce) => "announce",
            Some(Command::Free) => "free",
            Some(Command::Owned(_)) => "owned",
        }
    }

    /// `MS EVENT=COMMAND,…`, steps apart by a blank pair: the commands that follow from each event.
    fn check(story: &str, mut step: impl FnMut(Duration, Option<Event>) -> Vec<&'static str>) {
        for part in story.split("; ") {
            let (event, expected) = part.split_once('=').unwrap();
            let (at, what) = event.split_once(' ').unwrap();
            let event = match what {
                "begin" => None,
                "claim" => Some(Event::Claimed(THEM)),
                _ => Some(Event::Timeout),
            };
            assert_eq!(step(ms(at), event).join(","), expected, "{part} in {story}");
        }
    }

    #[test]
    fn before_it_is_taken() {
        let stories = [
            "0 begin=ask; 5 time=ask; 10 time=free",
            "0 begin=ask; 1 time=-; 5 time=ask; 9 time=-; 12 time=free; 13 claim=free",
            "0 begin=ask; 3 claim=owned; 10 time=owned",
            "0 begin=ask; 5 time=ask; 9 claim=owned",
            // A process that did not get the processor in time still asks as often.
            "0 begin=ask; 30 time=free",
        ];
        for story in stories {
            let mut machine = Detection::new(ms("10"));
            check(story, |now, event| {
                if let Some(event) = event {
                    machine.handle(now, event);
                }
                let command = machine.poll(now);
                assert!(machine.deadline() <= ms("10"));
                vec![word(command)]
            });
        }
    }

    #[test]
    fn while_it_is_held() {
        let stories = [
            "0 claim=ask; 1 claim=owned; 2 claim=-",
            "0 claim=ask; 200 time=announce; 9000 claim=owned",
            "0 claim=ask; 100 time=-; 250 time=announce; 10250 time=-; 10300 claim=ask",
            "5 time=-",
        ];
        for story in stories {
            let mut machine = Defence::default();
            check(story, |now, event| {
                machine.handle(now, event.unwrap());
                vec![word(machine.poll())]
            });
        }
    }
}
