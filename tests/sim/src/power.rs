//! Fence agents and the power switches behind them: they answer as the fence-agent protocol says, and cut off for real.

use std::collections::BTreeMap;
use std::time::Duration;

use executor::End;
use node::Process;

use crate::agents::{Course, Effect, Job, Running, exited};
use crate::engine::Life;
use crate::random::Random;

/// How the switches behave now. Faults change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mood {
    /// They do what they are told, soon.
    #[default]
    Good,
    /// They take long, at times longer than they are given.
    Slow,
    /// They refuse.
    Failing,
    /// They do it though the agent was ended or said that it failed.
    Late,
    /// They say that it is done and do nothing. Where the network is cut as well, no cluster can see the lie.
    Lying,
    /// They switch off and say that they have switched on again.
    LeavingOff,
    /// They write what nobody understands, and do nothing; where they are only asked something, they end as if all were well.
    Babbling,
}

impl Mood {
    /// All of them.
    pub const ALL: [Mood; 7] =
        [Mood::Good, Mood::Slow, Mood::Failing, Mood::Late, Mood::Lying, Mood::LeavingOff, Mood::Babbling];
}

/// All switches together.
#[derive(Debug, Default)]
pub struct Power {
    /// How they behave now.
    pub mood: Mood,
    /// How often somebody was to be cut off.
    pub commands: u64,
}

impl Power {
    /// What will come of a fence agent that is started now. `hosts`: all names there are.
    pub fn operate(
        &mut self,
        life: Life,
        process: Process,
        options: &BTreeMap<String, String>,
        hosts: &[String],
        random: &mut Random,
    ) -> Course {
        let text = |name: &str| options.get(name).map(String::as_str);
        let action = text("action").unwrap_or("reboot");
        let target = text("port").or(text("nodename")).unwrap_or_default().to_owned();
        let quick = random.mostly_short(30, 3_000);
        let end = Some(exited(0, ""));
        let mut running = Running { life, process, job: Job::Ask, effect: None, stubborn: false, end };
        match action {
            "off" | "reboot" if hosts.contains(&target) => {
                self.commands += 1;
                running.job = Job::Fence(target.clone());
                running.effect = Some(Effect::Power { target, on_again: action == "reboot" });
                self.in_its_mood(running, quick, random)
            }
            _ if self.mood == Mood::Babbling => {
                running.end = Some(babble(0, random));
                Course { running, acts: None, ends: Some(quick) }
            }
            "list" => {
                let output = executor::Output { stdout: hosts.join("\n"), stderr: String::new() };
                running.end = Some(End::Exited { code: 0, output });
                Course { running, acts: None, ends: Some(quick) }
            }
            "on" | "monitor" | "status" | "metadata" => Course { running, acts: None, ends: Some(quick) },
            _ => {
                running.end = Some(exited(1, "no such plug"));
                Course { running, acts: None, ends: Some(quick) }
            }
        }
    }

    fn in_its_mood(&self, mut running: Running, quick: Duration, random: &mut Random) -> Course {
        let slow = random.ms(5_000, 150_000);
        match self.mood {
            Mood::Lying => {
                if let Job::Fence(target) = running.job {
                    running.job = Job::Lie(target);
                }
                running.effect = None;
                Course { running, acts: None, ends: Some(quick) }
            }
            Mood::LeavingOff => {
                if let Some(Effect::Power { on_again, .. }) = &mut running.effect {
                    *on_again = false;
                }
                Course { running, acts: Some(quick / 2), ends: Some(quick) }
            }
            Mood::Babbling => {
                running.effect = None;
                running.end = Some(babble(3, random));
                Course { running, acts: None, ends: Some(quick) }
            }
            Mood::Good => Course { running, acts: Some(quick / 2), ends: Some(quick) },
            Mood::Slow => Course { running, acts: Some(slow), ends: Some(slow + quick) },
            Mood::Failing => {
                running.effect = None;
                running.end = Some(exited(1, "the switch does not answer"));
                Course { running, acts: None, ends: Some(quick) }
            }
            // It acts after it has ended; the world sees to that.
            Mood::Late => {
                running.end = Some(exited(1, "the switch has not said what it did"));
                Course { running, acts: Some(quick + slow / 4), ends: Some(quick) }
            }
        }
    }
}

/// An agent that writes nonsense at length.
fn babble(code: i32, random: &mut Random) -> End {
    let noise = |random: &mut Random| {
        let bytes: Vec<u8> = (0..random.below(3_000)).map(|_| random.number() as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let output = executor::Output { stdout: noise(random), stderr: noise(random) };
    End::Exited { code, output }
}
