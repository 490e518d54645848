//! A plan as a picture for Graphviz: what will be done, and, dashed, what was considered and will not be.
//!
//! A [`Transition`] holds only what will be done. Whoever planned it may add to the [`Picture`] what could not be
//! done (red), need not be done (blue) or is not ours to do (purple letters).

use crate::action::{Action, ActionKind, ClusterAction};
use crate::graph::Transition;

/// What becomes of an action in the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is in the transition.
    Planned,
    /// It would be needed and cannot be done.
    Impossible,
    /// It need not be done.
    Optional,
    /// Its resource is not managed.
    Unmanaged,
}

/// One action of the picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// What is written on it.
    pub name: String,
    /// Whether and why (not) it is done.
    pub fate: Fate,
    /// Whether it is only a point in the order.
    pub pseudo: bool,
}

/// One order of the picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrow {
    /// Name of what comes first.
    pub first: String,
    /// Name of what comes then.
    pub then: String,
    /// Whether it is in the transition.
    pub planned: bool,
}

/// Everything that is drawn, in the order it is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picture {
    /// Actions.
    pub marks: Vec<Mark>,
    /// Orders.
    pub arrows: Vec<Arrow>,
}

impl Picture {
    /// A transition alone: all of it planned.
    pub fn of(transition: &Transition) -> Self {
        let mut picture = Picture::default();
        for id in transition.ids() {
            let action = transition.action(id);
            let pseudo = action.kind == ActionKind::Pseudo;
            picture.marks.push(Mark { name: name(action), fate: Fate::Planned, pseudo });
            let mut first: Vec<_> = transition.inputs(id).collect();
            first.sort_by_key(|input| transition.action(*input).number);
            picture.arrows.extend(first.into_iter().map(|input| Arrow {
                first: name(transition.action(input)),
                then: name(action),
                planned: true,
            }));
        }
        picture
    }

    /// The text for Graphviz.
    pub fn write(&self) -> String {
        let mut text = String::from(" digraph \"g\" {\n");
        for mark in &self.marks {
            let (style, color) = match mark.fate {
                Fate::Planned => ("bold", "green"),
                Fate::Impossible | Fate::Unmanaged => ("dashed", "red"),
                Fate::Optional => ("dashed", "blue"),
            };
            let letters = match (mark.fate, mark.pseudo) {
                (Fate::Unmanaged, _) => "purple",
                (_, true) => "orange",
                (_, false) => "black",
            };
            let name = quoted(&mark.name);
            text.push_str(&format!("{name} [ style={style} color=\"{color}\" fontcolor=\"{letters}\"]\n"));
        }
        for arrow in &self.arrows {
            let style = if arrow.planned { "bold" } else { "dashed" };
            text.push_str(&format!("{} -> {} [ style = {style}]\n", quoted(&arrow.first), quoted(&arrow.then)));
        }
        text.push_str("}\n");
        text
    }
}

/// What is written on an action: its key and its node.
pub fn name(action: &Action) -> String {
    let node = match (&action.node, action.kind) {
        (Some(node), _) => Some(node.as_str()),
        (None, ActionKind::Pseudo) => None,
        (None, _) => Some("<none>"),
    };
    let what = match action.kind {
        ActionKind::Cluster(ClusterAction::Fence) => {
            format!("{} '{}'", action.operation, action.fence_action().unwrap_or_default())
        }
        ActionKind::Cluster(_) if action.resource.is_none() => action.operation.clone(),
        _ => action.key.clone(),
    };
    match node {
        Some(node) => format!("{what} {node}"),
        None => what,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn a_transition_is_drawn_bold_and_points_in_the_order_orange() {
        let mut plan = Transition::new(Settings::default());
        let mut fence = Action::new(1, ActionKind::Cluster(ClusterAction::Fence), "stonith", "stonith-a-reboot".into());
        fence.node = Some("a".into());
        fence.attributes.insert("CRM_meta_stonith_action", "reboot");
        let fence = plan.add(fence);
        let stopped = plan.add(Action::new(2, ActionKind::Pseudo, "stopped", "g_stopped_0".into()));
        let mut leave =
            Action::new(3, ActionKind::Cluster(ClusterAction::Shutdown), "do_shutdown", "do_shutdown-b".into());
        leave.node = Some("b".into());
        let leave = plan.add(leave);
        plan.order(fence, stopped);
        plan.order(stopped, leave);
        assert_eq!(
            Picture::of(&plan).write(),
            r#" digraph "g" {
"stonith 'reboot' a" [ style=bold color="green" fontcolor="black"]
"g_stopped_0" [ style=bold color="green" fontcolor="orange"]
"do_shutdown b" [ style=bold color="green" fontcolor="black"]
"stonith 'reboot' a" -> "g_stopped_0" [ style = bold]
"g_stopped_0" -> "do_shutdown b" [ style = bold]
}
"#
        );
    }

    #[test]
    fn what_is_not_done_is_dashed_in_the_colour_of_its_reason() {
        let mark = |fate, pseudo| Mark { name: "x".into(), fate, pseudo };
        let picture = Picture {
            marks: vec![
                mark(Fate::Impossible, false),
                mark(Fate::Impossible, true),
                mark(Fate::Optional, false),
                mark(Fate::Unmanaged, true),
            ],
            arrows: vec![Arrow { first: "x".into(), then: "x".into(), planned: false }],
        };
        assert_eq!(
            picture.write(),
            r#" digraph "g" {
"x" [ style=dashed color="red" fontcolor="black"]
"x" [ style=dashed color="red" fontcolor="orange"]
"x" [ style=dashed color="blue" fontcolor="black"]
"x" [ style=dashed color="red" fontcolor="purple"]
"x" -> "x" [ style = dashed]
}
"#
        );
    }
}
