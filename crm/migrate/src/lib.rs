#![forbid(unsafe_code)]
//! From another system's configuration to a cluster that does the same, decided without touching either.
//!
//! [`unit`] says what moves as one and who contends for it, [`elect`] who keepalived makes master of it. [`plan`] gives
//! for each line what becomes of it, as [`words`] has it, with [`verdict`]s, questions and a [`configuration`];
//! [`report`] says all that to people. [`prove`] compares both worlds, state by state, and [`shadow`] while keepalived
//! still works, by its adverts. [`archive`] and [`collected`] are what a host hands over, [`handover`], [`load`] and [`course`] the
//! move, [`checklist`] what must be true after it. [`export`] goes the other way.
//!
//! ```
//! use keepalived::{Files, Host, Model};
//! use migrate::plan::{Wishes, plan};
//! use migrate::verdict::Answers;
//!
//! let text = "vrrp_instance WEB {\n interface eth0\n virtual_router_id 51\n priority 150\n virtual_ipaddress {\n 192.0.2.7/24\n }\n}\n";
//! let hosts = [("one".to_owned(), Model::read(&Files::one("keepalived.conf", text), &Host::default()))];
//! let plan = plan(&hosts, &Answers::read("defaults = yes").unwrap(), &Wishes::default()).unwrap();
//! assert_eq!(plan.open().count(), 0);
//! let cib = migrate::configuration::document(&plan.configuration).to_xml();
//! assert!(cib.contains(r#"name="ip" value="192.0.2.7""#) && cib.contains(r#"name="nic" value="eth0""#));
//! ```

pub mod unit;
pub mod verdict;

pub mod configuration;
pub mod elect;
pub mod text;
pub mod words;

pub mod advert;
pub mod archive;
pub mod checklist;
pub mod collected;
pub mod course;
pub mod export;
pub mod handover;
pub mod load;
pub mod plan;
pub mod prove;
pub mod report;
pub mod shadow;
