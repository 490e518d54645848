#![forbid(unsafe_code)]
//! Who may see and change what in a CIB: its `<acls>`, by Pacemaker's rules. The daemon says who asks, and does what is
//! said here.
//!
//! With `enable-acl=true` everything is denied that is not granted, except to root and `hacluster`. A permission is for
//! an element and all below it, and the nearest one above an element says whether it can be read. It can be written when
//! one above it says so and none that is nearer denies it. Of several for the same element a denial counts, then writing,
//! then reading. Who may write an element may create it in elements that carry nothing but an id.
//!
//! Beyond Pacemaker: an element cannot be removed while a part of it is denied, and is not reordered by those who may not
//! write what it stands in.
//!
//! ```
//! let cib = cib::Document::parse(r#"<cib><configuration>
//!   <crm_config><cluster_property_set id="o"><nvpair id="e" name="enable-acl" value="true"/></cluster_property_set></crm_config>
//!   <resources><primitive id="web" type="Dummy"/><primitive id="db" type="Dummy"/></resources>
//!   <acls>
//!     <acl_role id="webmaster"><acl_permission id="p" kind="write" reference="web"/></acl_role>
//!     <acl_target id="alice"><role id="webmaster"/></acl_target>
//!   </acls>
//! </configuration></cib>"#)?;
//! let alice = acl::Who { user: "alice".into(), groups: vec!["haclient".into()] };
//! let rights = acl::Rights::of(&cib, &alice, 0).expect("they count, and alice is not root");
//! let seen = rights.readable(&cib).expect("she sees something").to_xml();
//! assert!(seen.contains("web") && !seen.contains("db"));
//!
//! let mut changed = cib.clone();
//! let web = changed.descendants(changed.root()).find(|one| changed.id(*one) == "web").unwrap();
//! changed.set(web, "type", "Stateful");
//! assert!(rights.judge(&cib, &changed).is_ok());
//! changed.unset(changed.root(), "validate-with");
//! let acls = changed.descend(&["configuration", "acls"]).unwrap();
//! changed.remove(acls);
//! let denied = rights.judge(&cib, &changed).unwrap_err().to_string();
//! assert_eq!(denied, "alice may not remove /cib/configuration/acls: no role of alice's (webmaster) may write it; \
//!                     root could grant that with `pcs acl permission add webmaster write xpath /cib/configuration/acls`");
//! # Ok::<(), cib::ParseError>(())
//! ```

mod rights;

mod reading;
mod writing;

pub mod requests;

pub use rights::{Rights, Who};
pub use writing::{Act, Denied};
