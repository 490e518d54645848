//! What a unit is called, and what its state means for a resource. Asking systemd for it is left to `bus`.

/// Kinds of units. A name that ends in none of these is that of a service, as for systemctl.
const KINDS: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// systemd's UNIT_NAME_MAX, its final zero left out.
const LONGEST: usize = 255;

/// The name of a unit, with its kind.
///
/// Invariant: systemd takes it for a name; it holds no `/` and does not begin with a dot, so it is safe in a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnitName(String);

impl UnitName {
    /// The unit that an agent's name in the configuration means; `None` when systemd has no such names.
    pub fn new(text: &str) -> Option<UnitName> {
        let name = match KINDS.iter().any(|kind| text.ends_with(kind)) {
            true => text.to_owned(),
            false => format!("{text}.service"),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let valid = name.chars().all(known) && !name.starts_with('.') && name.len() <= LONGEST && !text.is_empty();
        valid.then_some(UnitName(name))
    }

    /// As systemd has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a service, the one kind that systemd itself may start again.
    pub fn is_service(&self) -> bool {
        self.0.ends_with(".service")
    }
}

impl std::fmt::Display for UnitName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a unit stands, in systemd's own words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, `maintenance`.
    pub active: String,
    /// The state of its kind: `running`, `exited`, `start-pre`, `auto-restart`, ….
    pub sub: String,
}

/// What a state means for a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// It runs.
    Active,
    /// It does not run.
    Stopped,
    /// It is on its way, and nobody can say yet.
    Between,
}

impl State {
    /// What it means.
    pub fn meaning(&self) -> Meaning {
        match self.active.as_str() {
            "active" | "reloading" | "refreshing" => Meaning::Active,
            "activating" | "deactivating" => Meaning::Between,
            // `maintenance`, and what systemd may come to say, is nothing that serves anybody.
            _ => Meaning::Stopped,
        }
    }

    /// Whether there is a unit file that systemd could read, or the unit runs without one.
    pub fn is_known(&self) -> bool {
        self.load == "loaded"
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.active, self.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_a_kind_and_lead_nowhere_else() {
        let name = |text| UnitName::new(text).map(|name| name.to_string());
        assert_eq!(name("nginx").as_deref(), Some("nginx.service"));
        assert_eq!(name("php8.2-fpm").as_deref(), Some("php8.2-fpm.service"));
        assert_eq!(name("srv-data.mount").as_deref(), Some("srv-data.mount"));
        assert_eq!(name("postgresql@15-main").as_deref(), Some("postgresql@15-main.service"));
        assert_eq!(name(r"srv-with\x2ddash.mount").as_deref(), Some(r"srv-with\x2ddash.mount"));
        let long = "a".repeat(300);
        for wrong in ["", "../../etc/passwd", "a/b", "a b", ".hidden", "é", "a\nb", long.as_str()] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        assert!(UnitName::new("a").unwrap().is_service() && !UnitName::new("a.timer").unwrap().is_service());
    }

    #[test]
    fn states_mean_what_a_monitor_says() {
        let meaning = |active: &str| State { active: active.into(), ..State::default() }.meaning();
        assert_eq!(["active", "reloading", "refreshing"].map(meaning), [Meaning::Active; 3]);
        assert_eq!(["inactive", "failed", "maintenance", "what"].map(meaning), [Meaning::Stopped; 4]);
        assert_eq!(["activating", "deactivating"].map(meaning), [Meaning::Between; 2]);
    }
}
