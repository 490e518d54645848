//! Making one change of the cluster: look, edit, say what follows, write it for the version that was looked at, and
//! wait until it is done if that is wanted. What the change is, each command says.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use cib::{Document, patch};
use clap::{Arg, ArgAction, ArgMatches};
use expiring::{Kind, mark};
use policy::Plan;
use serde_json::json;
use wire::write::{AuthorForm, ExpectedForm, WriteForm};

use crate::client::Client;
use crate::cluster::{Live, View, now};
use crate::confidential;
use crate::follows;
use crate::lasting;
use crate::output::list::List;
use crate::output::resources::{self, Show};
use crate::terminal::{ask, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// How often a change is made anew when someone else's came first. More than a few in a row means that a program
/// writes all the time.
const TRIES: usize = 5;
/// How often we look whether the cluster is quiet.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long we wait for the cluster unless told: the time Pacemaker gives one operation is a third of it.
const WAIT_DEFAULT: &str = "60";

/// So much of a command line is kept with a change: enough to know it again.
const MAX_COMMAND: usize = 1000;

/// What a command wants done.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The CIB as it should be; the same as before if there is nothing to do.
    pub document: Document,
    /// What is done, or why there is nothing to do: a sentence a line.
    pub done: Vec<String>,
    /// What the user should know beside it.
    pub notes: Vec<String>,
}

impl Edit {
    /// Nothing to do, and why.
    pub fn nothing(view: &View, why: String) -> Edit {
        Edit { document: view.document.clone(), done: vec![why], notes: Vec::new() }
    }
}

/// How a change is made and told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    /// Say what would be done and do nothing.
    pub dry_run: bool,
    /// Also without quorum.
    pub force: bool,
    /// Wait so long until the cluster has done it.
    pub wait: Option<Duration>,
    /// For programs.
    pub json: bool,
    /// Ask on the terminal before anything is written.
    pub confirm: bool,
    /// When it ends by itself.
    pub ends: Option<Ends>,
}

/// When a change ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Whether confirming it is expected.
    pub kind: Kind,
    /// In seconds since 1970.
    pub until: i64,
}

impl How {
    /// Adds its options to a command.
    pub fn options(command: clap::Command) -> clap::Command {
        let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
        command.args([
            flag("dry-run", "Say what would be done, and do nothing").visible_alias("plan"),
            flag("confirm", "Say what would be done, and ask on the terminal whether to do it")
                .conflicts_with_all(["dry-run", "json"]),
            flag("force", "Also without quorum, and against advice"),
            Arg::new("wait")
                .long("wait")
                .value_name("SECONDS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value(WAIT_DEFAULT)
                .value_parser(clap::value_parser!(u64).range(1..=86_400))
                .help(format!("Wait until the cluster is quiet, then say what runs where [default: {WAIT_DEFAULT}]")),
            flag("json", "For programs: {\"done\", \"notes\", \"follows\", \"written\", \"version\", \"quiet\"}"),
        ])
    }

    /// Adds the options of a change that may end by itself.
    pub fn expiring(command: clap::Command) -> clap::Command {
        How::options(command).args(lasting::arguments())
    }

    /// Reads them.
    pub fn from_arguments(arguments: &ArgMatches) -> How {
        How {
            dry_run: arguments.get_flag("dry-run"),
            force: arguments.get_flag("force"),
            wait: arguments.get_one::<u64>("wait").map(|seconds| Duration::from_secs(*seconds)),
            json: arguments.get_flag("json"),
            confirm: arguments.get_flag("confirm"),
            ends: lasting::of(arguments),
        }
    }
}

/// Makes the change that `edit` makes of what there is. When someone else was faster it is made anew.
///
/// # Errors
/// When the edit is not possible, or the daemon refuses it. Nothing was written then.
pub fn make(client: &mut Client, how: How, edit: impl Fn(&Live) -> anyhow::Result<Edit>) -> anyhow::Result<u8> {
    let (edit, plan, made) = write(client, how, edit)?;
    tell(client, how, &edit, &plan, made)
}

/// The change without its telling: the edit that was made, the plan of what follows, and what came of it.
///
/// # Errors
/// As [`make`].
pub fn write(
    client: &mut Client,
    how: How,
    edit: impl Fn(&Live) -> anyhow::Result<Edit>,
) -> anyhow::Result<(Edit, Plan, Made)> {
    for _ in 0..TRIES {
        let live = Live::fetch(client)?;
        let mut edit = edit(&live)?;
        let mut changes = patch::diff(&live.view.document, &edit.document);
        if let Some(ends) = how.ends.filter(|_| !changes.changes.is_empty()) {
            edit.notes.push(until(&live, &mut edit.document, ends)?);
            changes = patch::diff(&live.view.document, &edit.document);
        }
        edit.notes.extend(unreached(&live, &edit.document));
        let plan = live.view.with(edit.document.clone()).plan();
        if changes.changes.is_empty() || how.dry_run {
            return Ok((edit, plan, Made::Nothing { would: !changes.changes.is_empty() }));
        }
        if how.confirm {
            print(&text(&edit, &plan, Made::Nothing { would: true }, false))?;
            if !ask("Do it?")? {
                bail!("nothing was changed: you said no");
            }
        }
        let expected = live.configuration_version();
        let write = WriteForm::Configure {
            patch: changes.changes.into_iter().map(Into::into).collect(),
            expected: Some(ExpectedForm::Configuration(expected.0, expected.1)),
            author: author(),
        };
        match client.write(write, how.force)? {
            Ok(version) if how.confirm => {
                let told = Edit { done: vec!["Done.".to_owned()], notes: Vec::new(), ..edit };
                return Ok((told, plan, Made::Told(version)));
            }
            Ok(version) => return Ok((edit, plan, Made::Written(version))),
            Err(reason) => {
                if Live::fetch(client)?.configuration_version() == expected {
                    bail!("nothing was changed: {reason}");
                }
            }
        }
    }
    bail!("nothing was changed: someone else changed the configuration {TRIES} times meanwhile; try again")
}

/// What a change brings that the cluster does not run, a sentence each.
pub fn unreached<'a>(live: &'a Live, after: &'a Document) -> impl Iterator<Item = String> {
    let came = cib::unreached::came(&live.view.document, after);
    came.into_iter().map(|unreached| format!("Warning: {}.", unreached.sentence()))
}

/// Marks the change so that it ends; a sentence that says so.
///
/// # Errors
/// When the way back is too long to be kept.
pub fn until(live: &Live, document: &mut Document, ends: Ends) -> anyhow::Result<String> {
    let number = mark::add(&live.view.document, document, ends.kind, ends.until, &author().command)?;
    let at = lasting::local(ends.until);
    Ok(match ends.kind {
        Kind::Trial => format!(
            "It is on trial: the cluster takes it back at {at}, whatever becomes of this session, unless \
             `systole confirm {number}` comes before."
        ),
        Kind::Wish => format!("It ends by itself at {at}; `systole confirm {number}` makes it last."),
    })
}

/// What came of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// Nothing was written; `would` tells whether there was something to write.
    Nothing {
        /// There was.
        would: bool,
    },
    /// It was written, and this is the version with it.
    Written((u64, u64, u64)),
    /// The same, and what follows was told before.
    Told((u64, u64, u64)),
}

/// Says what was done and what follows, and waits if that is wanted.
///
/// # Errors
/// When the daemon is gone while we wait.
pub fn tell(client: &mut Client, how: How, edit: &Edit, plan: &Plan, made: Made) -> anyhow::Result<u8> {
    let waits = how.wait.filter(|_| !how.dry_run);
    if !how.json {
        print(&text(edit, plan, made, how.dry_run))?;
        if let Some(wait) = waits {
            print(&format!("Waiting until that is done, at most {} s …\n", wait.as_secs()))?;
        }
    }
    let quiet = match waits {
        Some(wait) => Some(wait_until_quiet(client, wait)?),
        None => None,
    };
    if how.json {
        print_json(&json!({
            "done": edit.done,
            "notes": edit.notes,
            "follows": follows::list(plan),
            "written": !matches!(made, Made::Nothing { .. }),
            "version": match made {
                Made::Written((a, e, n)) | Made::Told((a, e, n)) => Some(format!("{a}.{e}.{n}")),
                Made::Nothing { .. } => None,
            },
            "quiet": quiet.as_ref().map(|quiet| quiet.yes),
        }))?;
    } else if let Some(quiet) = &quiet {
        print(&quiet.text())?;
    }
    Ok(if quiet.is_none_or(|quiet| quiet.yes) { EXIT_OK } else { EXIT_FAILURE })
}

fn text(edit: &Edit, plan: &Plan, made: Made, dry_run: bool) -> String {
    let mut list = List::new();
    edit.done.iter().for_each(|line| list.plain(line));
    match made {
        Made::Nothing { would: false } | Made::Told(_) => {}
        Made::Nothing { would: true } | Made::Written(_) => {
            follows::write(&mut list, plan, if dry_run { "What would follow" } else { "What follows" })
        }
    }
    edit.notes.iter().for_each(|note| list.plain(note));
    if dry_run {
        list.plain("Nothing was written (--dry-run).");
    }
    list.take()
}

struct Quiet {
    yes: bool,
    live: Live,
    waited: Duration,
}

impl Quiet {
    fn text(&self) -> String {
        let mut list = List::new();
        match self.yes {
            true => list.plain(&format!("The cluster is quiet after {:.1} s.", self.waited.as_secs_f64())),
            false => {
                list.plain(&format!("The cluster is not quiet after {} s.", self.waited.as_secs()));
                self.live.status.under_way.iter().for_each(|what| list.plain(&format!("  under way: {what}")));
                follows::write(&mut list, &self.live.view.plan(), "Still to be done");
            }
        }
        resources::write(&mut list, &self.live.view.cluster(), Show { inactive: true, pending: true });
        list.take()
    }
}

/// Waits until nothing is under way and a new plan of what there is would do nothing: a daemon that does not
/// coordinate is quiet before the coordinator is.
fn wait_until_quiet(client: &mut Client, wait: Duration) -> anyhow::Result<Quiet> {
    let begun = Instant::now();
    loop {
        let live = Live::fetch(client)?;
        let yes = live.status.quiet && live.status.under_way.is_empty() && follows::is_nothing(&live.view.plan());
        let waited = begun.elapsed();
        if yes || waited >= wait {
            return Ok(Quiet { yes, live, waited });
        }
        thread::sleep(LOOK_EVERY.min(wait - waited));
    }
}

/// Waits until the cluster has done what there was to do; whether it has, and what runs where.
///
/// # Errors
/// When the daemon is gone meanwhile.
pub fn quiet_within(client: &mut Client, wait: Duration) -> anyhow::Result<(bool, String)> {
    let quiet = wait_until_quiet(client, wait)?;
    Ok((quiet.yes, quiet.text()))
}

/// Who makes the change, as it will stand in the CIB and in the history.
pub fn author() -> AuthorForm {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    AuthorForm {
        user: named.filter(|name| !name.is_empty()).unwrap_or_else(|| "root".to_owned()),
        host: host.unwrap_or_default(),
        command: confidential::command(&words.join(" ")).chars().take(MAX_COMMAND).collect(),
        at: now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Daemon, cluster, status};
    use wire::{Reply, Request};

    fn refused() -> Reply {
        Reply::refused("no")
    }

    fn status_of_epoch(epoch: u64) -> Reply {
        let mut status = status();
        status.version.1 = epoch;
        Reply::Status(Box::new(status))
    }

    /// Puts a resource into maintenance, whatever there is.
    fn edit(live: &Live) -> anyhow::Result<Edit> {
        let mut document = live.view.document.clone();
        let resources = document.descend(&["configuration", "resources"]).unwrap();
        document.set(resources, "maintenance", "true");
        Ok(Edit { document, done: Vec::new(), notes: Vec::new() })
    }

    fn expected(request: &Request) -> Option<(u64, u64)> {
        match request {
            Request::Write {
                write: WriteForm::Configure { expected: Some(ExpectedForm::Configuration(admin_epoch, epoch)), .. },
                ..
            } => Some((*admin_epoch, *epoch)),
            _ => None,
        }
    }

    #[test]
    fn who_comes_second_looks_again() {
        let daemon = Daemon::with(vec![
            status_of_epoch(12),
            refused(),
            status_of_epoch(13),
            status_of_epoch(13),
            Reply::Written { version: (0, 14, 0) },
        ]);
        let (_, _, made) = write(&mut daemon.client(), How::default(), edit).unwrap();
        assert_eq!(made, Made::Written((0, 14, 0)));
        let asked = daemon.asked();
        assert_eq!(asked.iter().filter_map(expected).collect::<Vec<_>>(), [(0, 12), (0, 13)]);
    }

    #[test]
    fn a_refusal_that_is_no_race_is_told_and_not_repeated() {
        let daemon = Daemon::with(vec![status_of_epoch(12), refused(), status_of_epoch(12)]);
        let error = write(&mut daemon.client(), How::default(), edit).unwrap_err();
        assert_eq!(error.to_string(), "nothing was changed: no");
        assert_eq!(daemon.asked().len(), 3);
    }

    #[test]
    fn a_race_that_never_ends_is_left() {
        let mut replies = Vec::new();
        for epoch in 12..12 + TRIES as u64 {
            replies.extend([status_of_epoch(epoch), refused(), status_of_epoch(epoch + 1)]);
        }
        let daemon = Daemon::with(replies);
        let error = write(&mut daemon.client(), How::default(), edit).unwrap_err();
        assert!(error.to_string().contains("try again"), "{error}");
        assert_eq!(daemon.asked().iter().filter_map(expected).count(), TRIES);
    }

    #[test]
    fn a_dry_run_and_an_edit_of_nothing_write_nothing() {
        let dry = How { dry_run: true, ..How::default() };
        let daemon = Daemon::with(vec![status_of_epoch(12), status_of_epoch(12)]);
        let mut client = daemon.client();
        assert_eq!(write(&mut client, dry, edit).unwrap().2, Made::Nothing { would: true });
        let nothing = |live: &Live| Ok(Edit::nothing(&live.view, "it is so already".into()));
        assert_eq!(write(&mut client, How::default(), nothing).unwrap().2, Made::Nothing { would: false });
        drop(client);
        assert_eq!(daemon.asked(), [Request::Status, Request::Status]);
    }

    #[test]
    fn quiet_is_when_a_plan_has_nothing_to_do() {
        let daemon = Daemon::with(vec![status_of_epoch(12)]);
        let quiet = wait_until_quiet(&mut daemon.client(), Duration::from_secs(5)).unwrap();
        assert!(quiet.yes && quiet.text().contains("The cluster is quiet after"), "{}", quiet.text());
    }

    #[test]
    fn a_connection_that_ends_before_the_answer_is_an_error() {
        let daemon = Daemon::with(vec![status_of_epoch(12)]);
        let mut client = daemon.client();
        let error = write(&mut client, How::default(), edit).unwrap_err();
        assert!(error.to_string().contains("`systole status` shows whether it was made"), "{error:#}");
    }

    #[test]
    fn what_is_done_is_told_before_what_follows() {
        let edit = Edit { document: cluster().document, done: vec!["Done.".into()], notes: vec!["Note.".into()] };
        let told = |made, dry_run| text(&edit, &cluster().plan(), made, dry_run);
        let stays = "every resource stays as it is.";
        assert_eq!(told(Made::Written((0, 1, 0)), false), format!("Done.\nWhat follows: {stays}\nNote.\n"));
        assert_eq!(told(Made::Nothing { would: false }, false), "Done.\nNote.\n");
        let dry = format!("Done.\nWhat would follow: {stays}\nNote.\nNothing was written (--dry-run).\n");
        assert_eq!(told(Made::Nothing { would: true }, true), dry);
    }
}
