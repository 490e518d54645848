//! Corosync's links: which of a node's addresses are reachable, as `corosync-cfgtool -s` shows it.

#![allow(unsafe_code)] // Calls into C; each says why it may.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;

use engine::NodeId;

use crate::cmap::text;
use crate::error::{Result, check};
use crate::library::{CFG, library};

/// As many links as knet has.
const MAX_LINKS: usize = 8;

#[repr(C)]
#[derive(Clone, Copy)]
struct LinkStatus {
    enabled: u8,
    connected: u8,
    dynamic: u8,
    mtu: u32,
    source: [u8; 256],
    destination: [u8; 256],
}

#[repr(C)]
struct Status {
    version: u32,
    node: u32,
    reachable: u8,
    remote: u8,
    external: u8,
    wire_min: u8,
    wire_max: u8,
    wire_version: u8,
    links: [LinkStatus; MAX_LINKS],
}

// As a C compiler gives them for the headers of Corosync 3.1 on 64-bit Linux.
const _: () = {
    assert!(size_of::<LinkStatus>() == 520);
    assert!(size_of::<Status>() == 4176);
};

library!(
    /// libcfg.
    Library, CFG, {
        fn corosync_cfg_initialize(*mut u64, *const [usize; 1]);
        fn corosync_cfg_finalize(u64);
        fn corosync_cfg_node_status_get(u64, u32, u32, *mut c_void);
    }
);

/// A link to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number.
    pub number: u8,
    /// Whether data can go over it now, as this host sees it.
    pub connected: bool,
    /// The largest packet that goes through, 0 before that is known.
    pub mtu: u32,
    /// Our address.
    pub source: String,
    /// The node's address.
    pub destination: String,
}

/// What is known of the way to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Whether any link leads there.
    pub reachable: bool,
    /// The links that are configured.
    pub links: Vec<Link>,
}

/// A connection to the configuration service.
pub struct Cfg {
    library: &'static Library,
    handle: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl Cfg {
    /// Connects.
    ///
    /// # Errors
    /// When the library is not there, or Corosync does not answer.
    pub fn connect() -> Result<Cfg> {
        let library = Library::get()?;
        let mut handle = 0;
        // SAFETY: the library copies one function pointer, null: we do not take part in shutdowns.
        check("connecting to corosync's links", unsafe { (library.corosync_cfg_initialize)(&mut handle, &[0]) })?;
        Ok(Cfg { library, handle, not_sync: PhantomData })
    }

    /// The way to a node.
    ///
    /// # Errors
    /// When there is no such node, or the connection is gone.
    pub fn node(&self, node: NodeId) -> Result<Reach> {
        let link = LinkStatus { enabled: 0, connected: 0, dynamic: 0, mtu: 0, source: [0; 256], destination: [0; 256] };
        let mut status = Box::new(Status {
            version: 1,
            node: 0,
            reachable: 0,
            remote: 0,
            external: 0,
            wire_min: 0,
            wire_max: 0,
            wire_version: 0,
            links: [link; MAX_LINKS],
        });
        // SAFETY: version 1 of the structure is ours, and it lives during the call.
        check("asking for links", unsafe {
            (self.library.corosync_cfg_node_status_get)(self.handle, node.0, 1, (&raw mut *status).cast())
        })?;
        let links = (0..).zip(&status.links).filter(|(_, link)| link.enabled != 0).map(|(number, link)| Link {
            number,
            connected: link.connected != 0,
            mtu: link.mtu,
            source: text(&link.source),
            destination: text(&link.destination),
        });
        Ok(Reach { reachable: status.reachable != 0, links: links.collect() })
    }
}

impl Drop for Cfg {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used any more.
        unsafe { (self.library.corosync_cfg_finalize)(self.handle) };
    }
}
