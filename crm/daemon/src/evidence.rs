//! What is seen of processes that did not end in time, and of their host: slow is not dead, and whoever reads of a
//! timeout wants to know which it was. What follows from it is decided by the executor, and by people.

use std::fs;
use std::thread;

/// Looks that hang, a thread each; beyond this nobody looks any more.
const MOST_HANGING: usize = 4;
/// Processes that are told of: an agent is rarely more than a shell and what it waits for.
const MOST_PROCESSES: usize = 4;
/// Functions of a stack, the innermost first: those further out are the same for all.
const MOST_FRAMES: usize = 4;
/// All that is told, in characters: it becomes a part of an exit reason, which every node keeps.
const LONGEST: usize = 500;

/// Looks at processes, each look on a thread of its own: it may hang with what it looks at, and nobody waits for it.
#[derive(Debug, Default)]
pub struct Looker {
    looks: Vec<thread::JoinHandle<()>>,
}

impl Looker {
    /// Tells what is to be seen of a process group, if it is one, and of the host; nothing when too many looks hang.
    pub fn look(&mut self, group: Option<i32>, tell: impl FnOnce(String) + Send + 'static) {
        self.looks.retain(|look| !look.is_finished());
        if self.looks.len() >= MOST_HANGING {
            return;
        }
        let look = move || tell(see(group).chars().take(LONGEST).collect());
        // Without a thread nothing is told, as of a look that hangs.
        self.looks.extend(thread::Builder::new().name("evidence".into()).spawn(look));
    }
}

fn see(group: Option<i32>) -> String {
    let mut seen = group.map_or_else(Vec::new, processes);
    // Those that hang in the kernel first: they are why the others wait.
    seen.sort_by_key(|process| process.state != 'D');
    let mut words: Vec<String> = seen.iter().take(MOST_PROCESSES).map(Seen::words).collect();
    words.extend(host());
    words.join("; ")
}

/// A process.
struct Seen {
    id: i32,
    name: String,
    state: char,
    /// Where in the kernel it is, the innermost function first; empty when it runs, or when that is not for us to see.
    at: Vec<String>,
}

impl Seen {
    fn words(&self) -> String {
        let does = match self.state {
            'R' => "runs",
            'D' => "hangs in the kernel",
            'T' | 't' => "is stopped",
            _ => "sleeps",
        };
        let at = if self.at.is_empty() { String::new() } else { format!(" in {}", self.at.join(" < ")) };
        format!("{} ({}) {does}{at}", self.name, self.id)
    }
}

fn processes(group: i32) -> Vec<Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter_map(|id| process(id, group)).collect()
}

fn process(id: i32, group: i32) -> Option<Seen> {
    // Not the command line: that lies in the process's own memory, which may hang with it.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (state, name) = of_group(&stat, group)?;
    Some(Seen { id, name, state, at: if state == 'R' { Vec::new() } else { place(id) } })
}

/// State and name of a process of this group, from its `stat`; none for one that only waits to be reaped.
fn of_group(stat: &str, group: i32) -> Option<(char, String)> {
    // proc(5): the name is in parentheses and may hold any; behind it state, parent, group.
    let (front, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let is_of_group = fields.nth(1)?.parse() == Ok(group);
    let name = front.split_once('(')?.1.to_owned();
    (is_of_group && !matches!(state, 'Z' | 'X')).then_some((state, name))
}

/// Where a process is in the kernel: its stack for root, else the one function that everybody may know.
fn place(id: i32) -> Vec<String> {
    let stack = fs::read_to_string(format!("/proc/{id}/stack")).unwrap_or_default();
    let frames = frames(&stack);
    if !frames.is_empty() {
        return frames;
    }
    let function = fs::read_to_string(format!("/proc/{id}/wchan")).unwrap_or_default();
    if matches!(function.trim(), "" | "0") { Vec::new() } else { vec![function.trim().to_owned()] }
}

fn frames(stack: &str) -> Vec<String> {
    // A line is `[<0>] do_wait+0x5b/0xe0`.
    let functions = stack.lines().filter_map(|line| line.split_once("] ")?.1.split(['+', ' ']).next());
    functions.take(MOST_FRAMES).map(str::to_owned).collect()
}

fn host() -> Option<String> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    let load = load.split_whitespace().next()?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let of = |what: &str| pressure(&fs::read_to_string(format!("/proc/pressure/{what}")).ok()?);
    let stalls: Vec<String> =
        ["cpu", "memory", "io"].iter().filter_map(|what| Some(format!("{what} {} %", of(what)?))).collect();
    let stalled = if stalls.is_empty() { String::new() } else { format!(", stalled for {}", stalls.join(", ")) };
    Some(format!("host: load {load} on {processors} processors{stalled}"))
}

/// How much of the last ten seconds somebody waited, in percent: PSI's line `some avg10=1.53 …`.
fn pressure(text: &str) -> Option<u32> {
    let words = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = words.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()?;
    Some(percent.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::sync::{Arc, Mutex, mpsc};

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "12 (a (b) c) S 1 77 77 0 -1";
        assert_eq!(of_group(stat, 77), Some(('S', "a (b) c".into())));
        assert_eq!(of_group(stat, 12), None);
        assert_eq!(of_group("12 (a) Z 1 77 77", 77), None);
        assert_eq!(of_group("nonsense", 77), None);
        assert_eq!(
            frames("[<0>] do_wait+0x5b/0xe0\n[<0>] kernel_wait4+0xa/0xb [nfs]\nx\n"),
            ["do_wait", "kernel_wait4"]
        );
        assert_eq!(pressure("some avg10=34.56 avg60=0.00 avg300=0.00 total=1\nfull avg10=1"), Some(35));
        assert_eq!(pressure("full avg10=1.00"), None);
    }

    fn seen_of(group: Option<i32>) -> String {
        let (seen, told) = mpsc::channel();
        Looker::default().look(group, move |text| seen.send(text).unwrap());
        told.recv().unwrap()
    }

    #[test]
    fn a_look_that_hangs_holds_nobody_up_and_many_end_the_looking() {
        let mut looker = Looker::default();
        let (go_on, hang) = mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        for _ in 0..MOST_HANGING {
            let hang = Arc::clone(&hang);
            looker.look(None, move |_| assert!(hang.lock().unwrap().recv().is_err(), "nothing is sent"));
        }
        let (seen, told) = mpsc::channel();
        looker.look(None, move |text| seen.send(text).unwrap());
        assert!(told.recv().is_err(), "it was not begun");
        drop(go_on);
        looker.looks.drain(..).for_each(|look| look.join().unwrap());
        looker.look(None, |_| ());
        assert_eq!(looker.looks.len(), 1);
    }

    #[test]
    fn an_agent_that_waits_is_seen_with_what_it_waits_for() {
        let mut agent = Command::new("sh").args(["-c", "sleep 1000; true"]).process_group(0).spawn().unwrap();
        let group = agent.id() as i32;
        // The shell needs a moment to start what it waits for.
        let seen = loop {
            let seen = seen_of(Some(group));
            if seen.contains("sleep (") {
                break seen;
            }
        };
        assert!(seen.contains(&format!("sh ({group}) ")) && seen.contains("host: load "), "{seen}");
        crate::processes::signal(group, executor::Signal::Kill);
        agent.wait().unwrap();
        assert!(seen_of(None).starts_with("host: load "));
    }
}
