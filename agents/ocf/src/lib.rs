#![forbid(unsafe_code)]
//! The OCF contract: what a resource manager and an agent promise each other. Both sides of Systole use it.
//!
//! An agent is a program. It is called with one argument, the action, and finds everything else in its environment
//! ([`Environment`]). It answers with an exit status ([`ExitCode`]), may say why on its standard error
//! ([`exit_reason`]), and describes itself as XML when asked for `meta-data` ([`Metadata`]). Who writes agents
//! implements [`Agent`]; who runs them builds an [`Environment`] and judges the [`ExitCode`].
//!
//! Nothing here touches the world: the environment comes in as pairs and goes out as pairs.
//!
//! ```
//! let mut environment = ocf::Environment::new("vip", "heartbeat", "IPaddr2", "monitor");
//! environment.parameters.insert("ip".into(), "192.0.2.7".into());
//! environment.timeout_ms = Some(20_000);
//! let variables = environment.variables();
//! assert_eq!(variables["OCF_RESKEY_ip"], "192.0.2.7");
//! assert_eq!(variables["OCF_RESKEY_CRM_meta_timeout"], "20000");
//! assert_eq!(ocf::Environment::parse(variables, "monitor").unwrap(), environment);
//! ```

mod agent;
mod environment;
mod exit_code;
mod metadata;
mod parse;
mod reason;
pub mod served;
mod words;

pub use agent::{Agent, Context, Failure, Outcome, Status, WATCHING, run};
pub use environment::{DEFAULT_ROOT, Environment, EnvironmentError};
pub use exit_code::ExitCode;
pub use metadata::{ActionMetadata, Content, Metadata, Parameter, Symlink};
pub use parse::MetadataError;
pub use reason::{EXIT_REASON_PREFIX, exit_reason};
pub use words::{boolean, duration_ms};
