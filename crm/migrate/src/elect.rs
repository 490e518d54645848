//! Who is master under keepalived: the election of VRRP with all that is tracked, as a function of what is up and good.

use crate::unit::{Contender, Effect, Unit, Watched};

/// Priorities that tracking can lead to.
const PRIORITIES: std::ops::RangeInclusive<i32> = 1..=254;
/// The priority of an address's owner.
const OWNER: u8 = 255;
/// The number a watched file is tried with when it is bad; when it is good it holds 0.
pub const BAD_NUMBER: i32 = -20;
/// The points at which a file's number is a failure.
pub const FAULT: i32 = -254;

/// What is so on a host: whether it is up, and what of the watched things is bad there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostState {
    /// Whether it is up.
    pub up: bool,
    /// What is bad.
    pub bad: Vec<Watched>,
}

/// The priority a contender advertises, or none if it is out.
pub fn effective(contender: &Contender, state: &HostState) -> Option<i32> {
    if !state.up {
        return None;
    }
    let mut priority = i32::from(contender.priority);
    for watch in &contender.watches {
        let bad = state.bad.contains(&watch.what);
        let good = bad == watch.reverse;
        match watch.effect {
            Effect::Fault if !good => return None,
            Effect::Fault => {}
            Effect::Weight(weight) if weight > 0 => priority += if good { weight } else { 0 },
            Effect::Weight(weight) => priority += if good { 0 } else { weight },
            Effect::Times(times) => {
                let counted = times * if bad { BAD_NUMBER } else { 0 } * if watch.reverse { -1 } else { 1 };
                if counted <= FAULT {
                    return None;
                }
                priority += counted;
            }
        }
    }
    let tracked = priority.clamp(*PRIORITIES.start(), *PRIORITIES.end());
    Some(if contender.priority == OWNER { i32::from(OWNER) } else { tracked })
}

/// Who is master in the end, when the states are these and `holder` was master before: an index of the contenders.
/// `ranks` says who wins of equals.
pub fn master(unit: &Unit<'_>, states: &[HostState], holder: Option<usize>, ranks: &[usize]) -> Option<usize> {
    let priorities: Vec<Option<i32>> =
        unit.contenders.iter().zip(states).map(|(contender, state)| effective(contender, state)).collect();
    let rank = |at: usize| ranks.iter().position(|other| *other == at).unwrap_or(usize::MAX);
    let mut master = holder.filter(|at| priorities.get(*at).copied().flatten().is_some());
    if master.is_none() {
        let able = (0..priorities.len()).filter(|at| priorities[*at].is_some());
        return able.max_by_key(|at| (priorities[*at], std::cmp::Reverse(rank(*at))));
    }
    // Whoever may take over does so while a better one is there; each step goes up, so it ends.
    loop {
        let at = master?;
        let better = (0..priorities.len())
            .filter(|other| priorities[*other] > priorities[at] && !unit.contenders[*other].nopreempt)
            .max_by_key(|other| (priorities[*other], std::cmp::Reverse(rank(*other))));
        match better {
            Some(other) => master = Some(other),
            None => return master,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::units;
    use keepalived::{Files, Host, Model};

    fn model(priority: u8, more: &str) -> Model {
        let text = format!(
            "vrrp_script s {{\nscript /bin/x\nweight -20\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\npriority {priority}\n{more}\ntrack_script {{\ns\n}}\n}}\n"
        );
        Model::read(&Files::one("/k", text), &Host::default())
    }

    #[test]
    fn weights_that_are_too_small_change_nothing() {
        let hosts =
            [("a".to_owned(), model(150, "")), ("b".to_owned(), model(100, "")), ("c".to_owned(), model(140, ""))];
        let units = units(&hosts);
        let unit = &units[0];
        let good = HostState { up: true, bad: vec![] };
        let bad = HostState { up: true, bad: vec![Watched::Script("s".into())] };
        let down = HostState { up: false, bad: vec![] };
        let ranks = unit.ranks(None);
        let who = |states: [&HostState; 3], holder| master(unit, &states.map(Clone::clone), holder, &ranks);
        assert_eq!(who([&good, &good, &good], None), Some(0));
        assert_eq!(who([&bad, &good, &good], Some(0)), Some(2));
        assert_eq!(who([&bad, &good, &down], Some(0)), Some(0), "130 is still above 100");
        assert_eq!(who([&down, &down, &down], Some(0)), None);
    }

    #[test]
    fn who_does_not_preempt_waits() {
        let hosts = [("a".to_owned(), model(150, "nopreempt")), ("b".to_owned(), model(100, "nopreempt"))];
        let units = units(&hosts);
        let good = HostState { up: true, bad: vec![] };
        let ranks = units[0].ranks(None);
        assert_eq!(master(&units[0], &[good.clone(), good.clone()], Some(1), &ranks), Some(1));
        assert_eq!(master(&units[0], &[good.clone(), good], None, &ranks), Some(0));
    }
}
