//! Corosync's process groups: who is in one, and messages in total order. What the messages mean is for others.
//!
//! C calls us back only while we are in [`Cpg::dispatch`], on the same thread. Our functions for it copy what they are
//! given into a queue of that thread and return: nothing of ours can unwind, block or call Corosync again below C.

#![allow(unsafe_code)] // Calls into C; each says why it may.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;

use engine::NodeId;

use crate::error::{Error, Result, TRY_AGAIN, check};
use crate::library::{CPG, library};
use crate::ring::{Left, Process, Ring};

/// The longest name of a group: one byte less than there is room for, as Corosync ends it with a zero in places.
const MAX_NAME: usize = 127;

#[repr(C)]
#[derive(Clone, Copy)]
struct Address {
    node: u32,
    pid: u32,
    reason: u32,
}

#[repr(C)]
struct GroupName {
    length: u32,
    value: [u8; 128],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct RingId {
    node: u32,
    sequence: u64,
}

type Deliver = unsafe extern "C" fn(u64, *const GroupName, u32, u32, *mut c_void, usize);
type Change =
    unsafe extern "C" fn(u64, *const GroupName, *const Address, usize, *const Address, usize, *const Address, usize);
type Totem = unsafe extern "C" fn(u64, RingId, u32, *const u32);

#[repr(C)]
struct Model {
    model: u32,
    deliver: Option<Deliver>,
    change: Option<Change>,
    totem: Option<Totem>,
    flags: u32,
}

// As a C compiler gives them for the headers of Corosync 3.1 on 64-bit Linux.
const _: () = {
    assert!(size_of::<Address>() == 12);
    assert!(size_of::<GroupName>() == 132);
    assert!(size_of::<RingId>() == 16);
    assert!(size_of::<Model>() == 40);
};

const MODEL_V1: u32 = 1;
/// Tell the ring as soon as we have joined, not only when it changes.
const INITIAL_TOTEM: u32 = 1;
/// Agreed order: the same for all, delivered as soon as it is known.
const AGREED: u32 = 2;
const ONE_NONBLOCKING: u32 = 4;

#[repr(C)]
struct Slice {
    base: *const c_void,
    length: usize,
}

library!(
    /// libcpg.
    Library, CPG, {
        fn cpg_model_initialize(*mut u64, u32, *mut Model, *mut c_void);
        fn cpg_finalize(u64);
        fn cpg_fd_get(u64, *mut c_int);
        fn cpg_dispatch(u64, u32);
        fn cpg_join(u64, *const GroupName);
        fn cpg_local_get(u64, *mut u32);
        fn cpg_max_atomic_msgsize_get(u64, *mut u32);
        fn cpg_mcast_joined(u64, u32, *const Slice, u32);
    }
);

/// What Corosync tells of a group, in the order that is the same for all of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A message.
    Message {
        /// Who sent it.
        from: Process,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Processes came or went.
    Members {
        /// All that are in the group now.
        members: Vec<Process>,
        /// Those that went.
        left: Vec<Left>,
    },
    /// The ring changed, or this is the one we joined in.
    Ring {
        /// The ring.
        ring: Ring,
        /// Its hosts.
        hosts: Vec<NodeId>,
    },
}

thread_local! {
    /// Filled by C's callbacks during a dispatch, emptied right after it.
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

/// What C points to, for as long as its callback runs.
///
/// # Safety
/// `start` must be valid for reads of `count` values, if `count` is not 0.
unsafe fn list<'a, T>(start: *const T, count: usize) -> &'a [T] {
    if count == 0 || start.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise; C may give a null pointer with nothing behind it, which was handled above.
    unsafe { std::slice::from_raw_parts(start, count) }
}

/// # Safety
/// As for [`list`].
unsafe fn processes(start: *const Address, count: usize) -> Vec<Process> {
    // SAFETY: the caller's promise.
    let addresses = unsafe { list(start, count) };
    addresses.iter().map(|address| Process { node: NodeId(address.node), pid: address.pid }).collect()
}

/// # Safety
/// As for [`list`].
unsafe fn departures(start: *const Address, count: usize) -> Vec<Left> {
    /// Corosync's reason for a process whose host went.
    const NODE_DOWN: u32 = 3;
    // SAFETY: the caller's promise.
    let addresses = unsafe { list(start, count) };
    let left = |address: &Address| Left {
        process: Process { node: NodeId(address.node), pid: address.pid },
        host_down: address.reason == NODE_DOWN,
    };
    addresses.iter().map(left).collect()
}

fn note(told: Told) {
    TOLD.with_borrow_mut(|queue| queue.push(told));
}

unsafe extern "C" fn on_deliver(_: u64, _: *const GroupName, node: u32, pid: u32, message: *mut c_void, length: usize) {
    // SAFETY: Corosync gives `length` bytes at `message` that stay until we return.
    let bytes = unsafe { list(message.cast::<u8>(), length) }.to_vec();
    note(Told::Message { from: Process { node: NodeId(node), pid }, bytes });
}

unsafe extern "C" fn on_change(
    _: u64,
    _: *const GroupName,
    members: *const Address,
    member_count: usize,
    left: *const Address,
    left_count: usize,
    _: *const Address,
    _: usize,
) {
    // SAFETY: Corosync gives arrays with their lengths that stay until we return.
    let told =
        unsafe { Told::Members { members: processes(members, member_count), left: departures(left, left_count) } };
    note(told);
}

unsafe extern "C" fn on_totem(_: u64, ring: RingId, count: u32, hosts: *const u32) {
    // SAFETY: Corosync gives an array with its length that stays until we return.
    let hosts = unsafe { list(hosts, count as usize) }.iter().map(|id| NodeId(*id)).collect();
    note(Told::Ring { ring: Ring { sequence: ring.sequence, leader: ring.node }, hosts });
}

/// A connection to the process group service. Used by one thread at a time: the library has no lock of its own.
pub struct Cpg {
    library: &'static Library,
    handle: u64,
    not_sync: PhantomData<Cell<()>>,
}

impl Cpg {
    /// Connects.
    ///
    /// # Errors
    /// When the library is not there, or Corosync does not answer.
    pub fn connect() -> Result<Cpg> {
        let library = Library::get()?;
        let mut handle = 0;
        let mut model = Model {
            model: MODEL_V1,
            deliver: Some(on_deliver),
            change: Some(on_change),
            totem: Some(on_totem),
            flags: INITIAL_TOTEM,
        };
        // SAFETY: the library copies the model; both pointers are to values that live during the call.
        let code = unsafe { (library.cpg_model_initialize)(&mut handle, MODEL_V1, &mut model, std::ptr::null_mut()) };
        check("connecting to corosync's process groups", code)?;
        Ok(Cpg { library, handle, not_sync: PhantomData })
    }

    /// What to poll for reading. It belongs to the library and is closed with us.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn descriptor(&self) -> Result<RawFd> {
        let mut descriptor = -1;
        // SAFETY: the pointer is to a value that lives during the call.
        check("cpg_fd_get", unsafe { (self.library.cpg_fd_get)(self.handle, &mut descriptor) })?;
        Ok(descriptor)
    }

    /// This host's number.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local(&self) -> Result<NodeId> {
        let mut node = 0;
        // SAFETY: the pointer is to a value that lives during the call.
        check("cpg_local_get", unsafe { (self.library.cpg_local_get)(self.handle, &mut node) })?;
        Ok(NodeId(node))
    }

    /// The longest message that is sent in one piece, without blocking.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn longest(&self) -> Result<usize> {
        let mut size = 0;
        // SAFETY: the pointer is to a value that lives during the call.
        check("cpg_max_atomic_msgsize_get", unsafe {
            (self.library.cpg_max_atomic_msgsize_get)(self.handle, &mut size)
        })?;
        Ok(size as usize)
    }

    /// Joins a group; a change of its members tells when we are in.
    ///
    /// # Errors
    /// Try again while the ring changes; otherwise the connection is of no use.
    pub fn join(&mut self, group: &str) -> Result<()> {
        if group.len() > MAX_NAME || group.contains('\0') {
            return Err(Error::BadName(group.to_owned(), MAX_NAME));
        }
        let mut name = GroupName { length: u32::try_from(group.len()).unwrap_or(0), value: [0; 128] };
        name.value[..group.len()].copy_from_slice(group.as_bytes());
        // SAFETY: the pointer is to a value that lives during the call.
        check("joining the process group", unsafe { (self.library.cpg_join)(self.handle, &name) })
    }

    /// Multicasts to all members, ourselves included, without blocking. Not longer than [`Self::longest`].
    ///
    /// # Errors
    /// Try again under flow control: nothing was sent.
    pub fn multicast(&mut self, bytes: &[u8]) -> Result<()> {
        let slice = Slice { base: bytes.as_ptr().cast(), length: bytes.len() };
        // SAFETY: one slice that lives during the call; the library copies it.
        check("sending a message", unsafe { (self.library.cpg_mcast_joined)(self.handle, AGREED, &slice, 1) })
    }

    /// Takes in what has arrived: at most `limit` events, so that a flood does not fill our memory. Gives whether there
    /// may be more. The library needs more than 1 MiB of stack for it.
    ///
    /// # Errors
    /// When the connection is gone; what was taken before is given all the same.
    pub fn dispatch(&mut self, limit: usize, told: &mut Vec<Told>) -> Result<bool> {
        for _ in 0..limit {
            // SAFETY: the handle is open; the callbacks run on this thread and only fill its queue.
            let code = unsafe { (self.library.cpg_dispatch)(self.handle, ONE_NONBLOCKING) };
            TOLD.with_borrow_mut(|queue| told.append(queue));
            match code {
                TRY_AGAIN => return Ok(false),
                code => check("reading from corosync's process groups", code)?,
            }
        }
        Ok(true)
    }
}

impl Drop for Cpg {
    fn drop(&mut self) {
        // SAFETY: the handle is open and not used any more. It leaves the group, if we were in one.
        unsafe { (self.library.cpg_finalize)(self.handle) };
    }
}
