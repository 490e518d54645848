//! What this node's executor asks for: agents begin, are looked at and ended, and what came of them is told to all.

use cib::Write;
use controller::{Level, Note};
use wire::Origin;

use crate::event::{Command, Now, Process, Program};
use crate::machine::Node;
use crate::remote;

impl Node {
    pub(crate) fn executed(&mut self, now: Now, command: executor::Command) {
        match command {
            executor::Command::Spawn { run, operation } if remote::is_connection(&operation.agent) => {
                self.ended(now, Process::Agent(run), remote::answer(&operation));
            }
            executor::Command::Spawn { run, operation } => {
                if operation.interval_ms == 0 || self.orders.is_first(operation.id) {
                    let text = format!("{} of {} begins", operation.action, operation.resource);
                    let note = Note::new(Level::Info, "operation_begin", text);
                    self.note(note.about(&operation.resource, &operation.action));
                }
                self.out
                    .push_back(Command::Spawn { process: Process::Agent(run), program: Program::Operation(operation) });
            }
            executor::Command::Watch { run, operation } => {
                self.out.push_back(Command::Spawn { process: Process::Agent(run), program: Program::Watch(operation) });
            }
            executor::Command::Examine { run } => {
                self.out.push_back(Command::Examine { process: Process::Agent(run) });
            }
            executor::Command::AskedAgain { operation, reason } => {
                let text = format!("{}: {reason}; it is asked a second time before that counts", operation.resource);
                let note = Note::new(Level::Warning, "slow", text);
                self.note(note.about(&operation.resource, &operation.action));
            }
            executor::Command::Signal { run, signal } => {
                self.out.push_back(Command::Signal { process: Process::Agent(run), signal });
            }
            executor::Command::Report(outcome) => {
                let Some((mut result, parameters)) = self.orders.outcome(&outcome, now.unix) else { return };
                self.tell_result(&result);
                self.alert_of_result(now, &result);
                self.descriptions.complete(&mut result, &parameters);
                self.multicast_write(Origin::Local, &Write::Result(result));
            }
            executor::Command::Cancelled { cancel, .. } => {
                if let Some(result) = self.orders.cancelled(cancel.id) {
                    self.alert_of_result(now, &result);
                    self.multicast_write(Origin::Local, &Write::Result(result));
                }
            }
        }
    }
}
