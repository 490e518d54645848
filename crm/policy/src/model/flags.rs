//! Sets of yes-or-no facts about nodes, resources, actions and orderings, one machine word each.

/// Makes a set type with named members; `has` asks for all of the given ones, `any` for one of them.
macro_rules! flag_set {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $flag:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct $name(u32);

        impl $name {
            flag_set!(@bits 0, $($(#[$inner])* $flag,)*);
            /// Nothing set.
            pub const NONE: Self = Self(0);

            /// Whether all of `other` are set.
            pub const fn has(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether at least one of `other` is set.
            pub const fn any(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Sets all of `other`.
            pub fn set(&mut self, other: Self) {
                self.0 |= other.0;
            }

            /// Clears all of `other`.
            pub fn clear(&mut self, other: Self) {
                self.0 &= !other.0;
            }

            /// Both together.
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// This without `other`.
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }
    };
    (@bits $n:expr, $(#[$inner:meta])* $flag:ident, $($rest:tt)*) => {
        $(#[$inner])*
        pub const $flag: Self = Self(1 << ($n));
        flag_set!(@bits $n + 1, $($rest)*);
    };
    (@bits $n:expr,) => {};
}

flag_set! {
    /// Facts about a node.
    NodeFlags {
        /// It runs nothing, by an attribute or by `on-fail=standby`.
        STANDBY,
        /// The standby comes from a failure.
        FAIL_STANDBY,
        /// It has a state in the CIB.
        SEEN,
        /// It is expected to be a member.
        EXPECTED_UP,
        /// Probes may run on it.
        PROBES_ALLOWED,
        /// A remote node that must be fenced, or a guest whose launcher must be recovered.
        REMOTE_RESET,
        /// A remote node that was fenced since it was last connected.
        REMOTE_FENCED,
        /// A remote node that was last known to be in maintenance.
        REMOTE_MAINTENANCE,
        /// Its history has been read.
        UNPACKED,
        /// It may run resources.
        ONLINE,
        /// What it runs is not known, so it must be fenced.
        UNCLEAN,
        /// It is asked to leave.
        SHUTDOWN,
        /// It has not finished joining.
        PENDING,
        /// What it runs is left alone.
        MAINTENANCE,
        /// It is the coordinator.
        DC,
    }
}

flag_set! {
    /// Facts about a resource.
    RscFlags {
        /// It has history but no configuration.
        REMOVED,
        /// The cluster may start and stop it.
        MANAGED,
        /// It is left alone because of a failure.
        BLOCKED,
        /// Removed, and it was launched by another resource.
        REMOVED_LAUNCHED,
        /// Instances are told of each other's actions.
        NOTIFY,
        /// Not an anonymous clone instance.
        UNIQUE,
        /// It is a fence device.
        FENCE_DEVICE,
        /// It can be promoted.
        PROMOTABLE,
        /// It has no place yet.
        UNASSIGNED,
        /// Its place is being chosen; a colocation that leads back here is a loop.
        ASSIGNING,
        /// Its scores are being merged into another's.
        UPDATING_NODES,
        /// It is being restarted.
        RESTARTING,
        /// When failed it must be stopped, not only demoted.
        STOP_IF_FAILED,
        /// A reload is planned.
        RELOAD,
        /// A remote connection that may run on a remote node.
        REMOTE_NESTING_ALLOWED,
        /// Its colocations influence where others are placed.
        CRITICAL,
        /// It is failed.
        FAILED,
        /// It is the connection to a remote or guest node.
        REMOTE_CONNECTION,
        /// Its history has a start under way.
        START_PENDING,
        /// It is probed only on nodes marked so.
        EXCLUSIVE_PROBES,
        /// It is active more than once and only the unexpected copies are stopped.
        STOP_UNEXPECTED,
        /// It may move alive.
        MIGRATABLE,
        /// It has a failure that is ignored.
        IGNORE_FAILURE,
        /// It is the container of a bundle replica.
        REPLICA_CONTAINER,
        /// It, its node or the cluster is in maintenance.
        MAINTENANCE,
        /// It may start only with quorum.
        NEEDS_QUORUM,
        /// It may start only once what is unclean is fenced.
        NEEDS_FENCING,
        /// It may start only on unfenced nodes.
        NEEDS_UNFENCING,
    }
}

flag_set! {
    /// Facts about an action.
    ActFlags {
        /// Nothing is done: a point in the order.
        PSEUDO,
        /// Nothing keeps it from being done.
        RUNNABLE,
        /// It need not be done.
        OPTIONAL,
        /// It is in the transition even if optional.
        ALWAYS_IN_GRAPH,
        /// Its own parameters have been read.
        ATTRIBUTES_EVALUATED,
        /// It can be part of a live migration.
        MIGRATABLE,
        /// It is in the transition.
        ADDED_TO_GRAPH,
        /// It stops a migration that was left half done.
        MIGRATION_ABORT,
        /// A recurring monitor that must be scheduled anew.
        RESCHEDULE,
        /// A recursive walk has been here.
        VISITED,
        /// Its inputs hold no doubles.
        INPUTS_DEDUPLICATED,
        /// The coordinator can do it for the node.
        ON_DC,
    }
}

flag_set! {
    /// How one action depends on another.
    OrderFlags {
        /// The order holds if both are done, and nothing else follows.
        ORDERED,
        /// If the first is required, so is the second.
        FIRST_IMPLIES_THEN,
        /// If the second is required, so is the first.
        THEN_IMPLIES_FIRST,
        /// If the second is required by a promotion, so is the first.
        PROMOTED_THEN_IMPLIES_FIRST,
        /// The first must be runnable for the second to be.
        UNRUNNABLE_FIRST_BLOCKS,
        /// If the second is required, the first must be stopped in between.
        INTERMEDIATE_STOP,
        /// A second that cannot be migrated keeps the first from it.
        UNMIGRATABLE_THEN_BLOCKS,
        /// A number of the first must be runnable for the second.
        MIN_RUNNABLE,
        /// Only when both are on the same node.
        IF_ON_SAME_NODE,
        /// Only when both are on the same node, or the first ends where the second is.
        IF_ON_SAME_NODE_OR_TARGET,
        /// Only when both are on the same node and the first is required.
        IF_REQUIRED_ON_SAME_NODE,
        /// The first is in the transition with the second.
        THEN_IMPLIES_FIRST_GRAPHED,
        /// The second is in the transition with the first.
        FIRST_IMPLIES_THEN_GRAPHED,
        /// The first is a probe on a remote node.
        NESTED_REMOTE_PROBE,
        /// The first need not be done if the second is.
        FIRST_ELSE_THEN,
        /// The second, if done, makes the first needless.
        THEN_CANCELS_FIRST,
        /// It holds for guests' actions as well.
        GUEST_ALLOWED,
        /// One direction only.
        ASYMMETRIC,
        /// Not at the same time, in any order.
        SERIALIZE,
        /// Only when the first cannot be part of a live migration.
        IF_FIRST_UNMIGRATABLE,
        /// If the first is required, so is the second's instance on the same node.
        FIRST_IMPLIES_SAME_NODE_THEN,
    }
}
