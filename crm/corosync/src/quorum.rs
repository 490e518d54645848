//! Corosync's quorum: whether the hosts of a ring may act, and the votes that say so.
//!
//! Two services: *quorum* tells of each ring whether it is quorate; *votequorum*, which decides that, knows the votes,
//! the flags (two_node, wait_for_all, …) and the quorum device.

#![allow(unsafe_code)] // Calls into C; each says why it may.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::RawFd;

use engine::NodeId;

use crate::error::{Result, check};
use crate::library::{QUORUM, VOTEQUORUM, library};
use crate::ring::Ring;

#[repr(C)]
#[derive(Clone, Copy)]
struct RingId {
    node: u32,
    sequence: u64,
}

type OnQuorum = unsafe extern "C" fn(u64, u32, RingId, u32, *const u32);
type OnNodes = unsafe extern "C" fn(u64, RingId, u32, *const u32, u32, *const u32, u32, *const u32);

#[repr(C)]
struct Model {
    model: u32,
    quorum: Option<OnQuorum>,
    nodes: Option<OnNodes>,
}

#[repr(C)]
struct Info {
    node: u32,
    state: u32,
    votes: u32,
    expected: u32,
    highest_expected: u32,
    total: u32,
    quorum: u32,
    flags: u32,
    device_votes: u32,
    device: [u8; 255],
}

// As a C compiler gives them for the headers of Corosync 3.1 on 64-bit Linux.
const _: () = {
    assert!(size_of::<Model>() == 24);
    assert!(size_of::<Info>() == 292);
};

const MODEL_V1: u32 = 1;
const DISPATCH_ALL: u32 = 2;
/// What is the case now, and what changes.
const CURRENT_AND_CHANGES: u32 = 1 | 2;

library!(
    /// libquorum.
    Library, QUORUM, {
        fn quorum_model_initialize(*mut u64, u32, *mut Model, *mut u32, *mut c_void);
        fn quorum_finalize(u64);
        fn quorum_fd_get(u64, *mut c_int);
        fn quorum_dispatch(u64, u32);
        fn quorum_trackstart(u64, u32);
        fn quorum_getquorate(u64, *mut c_int);
    }
);

library!(
    /// libvotequorum.
    VoteLibrary, VOTEQUORUM, {
        fn votequorum_initialize(*mut u64, *mut [usize; 3]);
        fn votequorum_finalize(u64);
        fn votequorum_fd_get(u64, *mut c_int);
        fn votequorum_dispatch(u64, u32);
        fn votequorum_trackstart(u64, u64, u32);
        fn votequorum_getinfo(u64, u32, *mut Info);
    }
);

/// The quorum service's word on a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The ring.
    pub ring: Ring,
    /// Whether its hosts may act.
    pub quorate: bool,
}

thread_local! {
    /// Filled by C's callback during a dispatch, emptied right after it.
    static TOLD: RefCell<Vec<Verdict>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn on_quorum(_: u64, quorate: u32, ring: RingId, _: u32, _: *const u32) {
    let ring = Ring { sequence: ring.sequence, leader: ring.node };
    TOLD.with_borrow_mut(|queue| queue.push(Verdict { ring, quorate: quorate != 0 }));
}

/// Hosts are told by the process group service, in order with the messages; here they are of no use.
unsafe extern "C" fn on_nodes(_: u64, _: RingId, _: u32, _: *const u32, _: u32, _: *const u32, _: u32, _: *const u32) {}

/// A connection to the quorum service.
pub struct Quorum {
    library: &'static Library,
    handle: u64,
    provided: bool,
    not_sync: PhantomData<Cell<()>>,
}

impl Quorum {
    /// Connects.
    ///
    /// # Errors
    /// When the library is not there, or Corosync does not answer.
    pub fn connect() -> Result<Quorum> {
        let library = Library::get()?;
        let (mut handle, mut provided) = (0, 0);
        let mut model = Model { model: MODEL_V1, quorum: Some(on_quorum), nodes: Some(on_nodes) };
        // SAFETY: the library copies the model; all pointers are to values that live during the call.
        let code = unsafe {
            (library.quorum_model_initialize)(&mut handle, MODEL_V1, &mut model, &mut provided, std::ptr::null_mut())
        };
        check("connecting to corosync's quorum service", code)?;
        Ok(Quorum { library, handle, provided: provided != 0, not_sync: PhantomData })
    }

    /// Whether a provider of quorum is configured. Without one Corosync calls everyone quorate, which is no quorum.
    pub fn is_provided(&self) -> bool {
        self.provided
    }

    /// Begins to be told: what is the case now, and each change.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn track(&mut self) -> Result<()> {
        // SAFETY: the handle is open.
        check("following corosync's quorum", unsafe {
            (self.library.quorum_trackstart)(self.handle, CURRENT_AND_CHANGES)
        })
    }

    /// Whether there is quorum now.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn is_quorate(&self) -> Result<bool> {
        let mut quorate = 0;
        // SAFETY: the pointer is to a value that lives during the call.
        check("quorum_getquorate", unsafe { (self.library.quorum_getquorate)(self.handle, &mut quorate) })?;
        Ok(quorate != 0)
    }

    /// What to poll for reading. It belongs to the library and is closed with us.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn descriptor(&self) -> Result<RawFd> {
        let mut descriptor = -1;
        // SAFETY: the pointer is to a value that lives during the call.
        check("quorum_fd_get", unsafe { (self.library.quorum_fd_get)(self.handle, &mut descriptor) })?;
        Ok(descriptor)
    }

    /// The newest word on a ring, if there is a new one. The library needs more than 1 MiB of stack for it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn dispatch(&mut self) -> Result<Option<Verdict>> {
        // SAFETY: the handle is open; the callbacks run on this thread and only fill its queue.
        let code = unsafe { (self.library.quorum_dispatch)(self.handle, DISPATCH_ALL) };
        let verdict = TOLD.with_borrow_mut(std::mem::take).pop();
        check("reading from corosync's quorum service", code)?;
        Ok(verdict)
    }
}

impl Drop for Quorum {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used any more.
        unsafe { (self.library.quorum_finalize)(self.handle) };
    }
}

/// Votequorum's flags of a node, as its headers number them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    const NAMES: [(u32, &'static str); 10] = [
        (1, "two_node"),
        (2, "quorate"),
        (4, "wait_for_all"),
        (8, "last_man_standing"),
        (16, "auto_tie_breaker"),
        (32, "allow_downscale"),
        (64, "qdevice"),
        (128, "qdevice_alive"),
        (256, "qdevice_votes"),
        (512, "qdevice_master_wins"),
    ];

    /// The names of those that are set; what newer versions may add is left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, name)| name)
    }

    /// Whether a quorum device is registered.
    pub fn has_device(self) -> bool {
        self.0 & 64 != 0
    }

    /// Whether that quorum device keeps in touch.
    pub fn device_is_alive(self) -> bool {
        self.0 & 128 != 0
    }

    /// Whether that quorum device gives this node its votes.
    pub fn device_votes(self) -> bool {
        self.0 & 256 != 0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

/// What votequorum knows of a node, and through it of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeVotes {
    /// The node.
    pub node: NodeId,
    /// Whether it is in the ring.
    pub member: bool,
    /// Its votes.
    pub votes: u32,
    /// Votes of the whole cluster, as the node that answers sees it.
    pub expected: u32,
    /// Votes present, the quorum device's included.
    pub total: u32,
    /// How many make a quorum.
    pub quorum: u32,
    /// How quorum is decided.
    pub flags: Flags,
    /// Votes of the quorum device.
    pub device_votes: u32,
    /// Its name; empty without one.
    pub device: String,
}

/// A connection to votequorum.
pub struct Votequorum {
    library: &'static VoteLibrary,
    handle: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl Votequorum {
    /// Connects.
    ///
    /// # Errors
    /// When the library is not there, Corosync does not answer, or votequorum is not its provider of quorum.
    pub fn connect() -> Result<Votequorum> {
        let library = VoteLibrary::get()?;
        let mut handle = 0;
        // No callbacks: that something is told at all is reason enough to ask.
        let mut callbacks = [0; 3];
        // SAFETY: the library copies three function pointers, all null, which it takes for "none".
        let code = unsafe { (library.votequorum_initialize)(&mut handle, &mut callbacks) };
        check("connecting to corosync's votequorum", code)?;
        Ok(Votequorum { library, handle, not_sync: PhantomData })
    }

    /// Begins to be told of changes, which make the descriptor readable.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn track(&mut self) -> Result<()> {
        // SAFETY: the handle is open.
        check("following corosync's votes", unsafe {
            (self.library.votequorum_trackstart)(self.handle, 0, CURRENT_AND_CHANGES)
        })
    }

    /// What to poll for reading. It belongs to the library and is closed with us.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn descriptor(&self) -> Result<RawFd> {
        let mut descriptor = -1;
        // SAFETY: the pointer is to a value that lives during the call.
        check("votequorum_fd_get", unsafe { (self.library.votequorum_fd_get)(self.handle, &mut descriptor) })?;
        Ok(descriptor)
    }

    /// Takes in that something changed. The library needs more than 1 MiB of stack for it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn dispatch(&mut self) -> Result<()> {
        // SAFETY: the handle is open; there are no callbacks.
        check("reading from corosync's votequorum", unsafe {
            (self.library.votequorum_dispatch)(self.handle, DISPATCH_ALL)
        })
    }

    /// What is known of a node.
    ///
    /// # Errors
    /// When there is no such node, or the connection is gone.
    pub fn node(&self, node: NodeId) -> Result<NodeVotes> {
        let mut info = Info {
            node: 0,
            state: 0,
            votes: 0,
            expected: 0,
            highest_expected: 0,
            total: 0,
            quorum: 0,
            flags: 0,
            device_votes: 0,
            device: [0; 255],
        };
        // SAFETY: the pointer is to a value of the library's own layout that lives during the call.
        check("asking for votes", unsafe { (self.library.votequorum_getinfo)(self.handle, node.0, &mut info) })?;
        Ok(NodeVotes {
            node: NodeId(info.node),
            member: info.state == 1,
            votes: info.votes,
            expected: info.expected,
            total: info.total,
            quorum: info.quorum,
            flags: Flags(info.flags),
            device_votes: info.device_votes,
            device: crate::cmap::text(&info.device),
        })
    }
}

impl Drop for Votequorum {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used any more.
        unsafe { (self.library.votequorum_finalize)(self.handle) };
    }
}
