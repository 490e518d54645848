//! `systole stonith fence`: cuts a node off, now, and says how that went.

use clap::{Arg, ArgAction, ArgMatches};
use wire::stonith::FenceOutcome;

use super::{node_argument, time};
use crate::client::Client;
use crate::cluster::Live;
use crate::commands::Command;
use crate::stonith::{self, Wanted};
use crate::terminal::print;
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "fence", grammar, run };

fn grammar() -> clap::Command {
    let flag = |name, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    clap::Command::new("")
        .about("Cut a node off now: nothing on it is stopped first")
        .after_help("Example:\n  systole stonith fence node2\n\n`systole standby NODE` empties a node without harm.")
        .arg(node_argument())
        .arg(flag("off", "Leave it off instead of bringing it up again"))
        .arg(flag("on", "Only switch it on, or let it in (unfence)").conflicts_with("off"))
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .value_parser(time)
                .default_value("60s")
                .help("What one fence device may take"),
        )
        .arg(Arg::new("delay").long("delay").value_name("TIME").value_parser(time).help("Wait before"))
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let node = arguments.get_one::<String>("node").expect("it is required");
    let action = match (arguments.get_flag("off"), arguments.get_flag("on")) {
        (true, _) => "off",
        (_, true) => "on",
        _ => "reboot",
    };
    let mut wanted = Wanted::new(node, action);
    wanted.timeout = *arguments.get_one("timeout").expect("it has a default");
    wanted.delay = arguments.get_one("delay").copied().unwrap_or_default();
    let mut client = Client::from_arguments(arguments)?;
    Live::fetch(&mut client)?.view.node(node)?;
    let id = stonith::begin(&mut client, &wanted)?;
    let record = stonith::wait(&mut client, &wanted, &id, |_| Ok(()))?;
    let done = matches!(record.outcome, FenceOutcome::Done(_));
    print(&format!("{}\n", stonith::sentence(&record)))?;
    Ok(if done { EXIT_OK } else { EXIT_FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::{Daemon, status};
    use wire::stonith::{FenceRecord, StonithReply, StonithRequest, StonithView};
    use wire::{OrderId, Reply, Request};

    #[test]
    fn it_waits_for_its_own_fencing_and_says_how_that_went() {
        let id = OrderId { coordinator: "by-hand:x".into(), transition: 0, number: 3 };
        let record = |number, outcome| FenceRecord {
            id: OrderId { number, ..id.clone() },
            target: "two".into(),
            action: "off".into(),
            origin: "me".into(),
            delegate: "one".into(),
            begun: 1_700_000_000,
            ended: 1_700_000_004,
            outcome,
        };
        let view = |outcome| {
            let history = vec![record(2, FenceOutcome::Failed("old".into())), record(3, outcome)];
            Reply::Stonith(Box::new(StonithReply::View(StonithView { history, ..StonithView::default() })))
        };
        for (outcome, rc) in [(FenceOutcome::Done(vec!["pdu".into()]), 0), (FenceOutcome::Failed("no".into()), 1)] {
            let daemon = Daemon::with(vec![
                Reply::Status(Box::new(status())),
                Reply::Stonith(Box::new(StonithReply::Begun(id.clone()))),
                view(FenceOutcome::Pending),
                view(outcome),
            ]);
            let arguments = grammar().name("fence").arg(crate::client::socket_argument());
            let socket = daemon.socket();
            let arguments = arguments.get_matches_from(["fence", "two", "--off", "--socket", socket.to_str().unwrap()]);
            assert_eq!(run(&arguments).unwrap(), rc);
            let asked = daemon.asked();
            let Request::Stonith(StonithRequest::Fence { target, action, timeout_ms, .. }) = &asked[1] else {
                panic!("{asked:?}")
            };
            assert_eq!((target.as_str(), action.as_str(), *timeout_ms), ("two", "off", 60_000));
        }
    }
}
