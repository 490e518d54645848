//! Users of this host and their passwords, asked of PAM as other services do. Its library is opened when it is needed,
//! so the program starts on a host without it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use libloading::Library;
use nix::unistd::{Group, User};

/// The service's name: the rules are those of `/etc/pam.d/systole-host-agent`, or of `other` where that is not there.
const SERVICE: &CStr = c"systole-host-agent";
const LIBRARY: &str = "libpam.so.0";
/// Who may set clusters up, besides root: as pcs has it.
pub const GROUP: &str = "haclient";
/// The longest name or password that is asked for.
const MAX_LENGTH: usize = 256;

/// PAM's numbers.
const SUCCESS: c_int = 0;
const BUFFER: c_int = 5;
const CONVERSATION: c_int = 19;
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
/// So many prompts at once are more than any module has.
const MAX_PROMPTS: c_int = 32;

/// Modules are slow on purpose after a wrong password: one caller waits for the next, and guessing gains nothing from many
/// connections.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

type Converse = extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

/// Whether that is a user of this host who may set clusters up, and his password. Both wrong ways look the same to who asks.
///
/// # Errors
/// When PAM cannot be asked.
pub fn knows(user: &str, password: &str) -> anyhow::Result<bool> {
    let fit = |text: &str| !text.is_empty() && text.len() <= MAX_LENGTH && !text.contains('\0');
    if !fit(user) || !fit(password) {
        return Ok(false);
    }
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // The password is asked for first, so that it takes as long for a user who may not.
    Ok(is_right(user, password)? && may(user))
}

/// root, and members of the group.
fn may(user: &str) -> bool {
    let (Ok(Some(user)), group) = (User::from_name(user), Group::from_name(GROUP).ok().flatten()) else { return false };
    user.uid.is_root() || group.is_some_and(|group| user.gid == group.gid || group.mem.contains(&user.name))
}

/// Answers every question for a secret with the password that `data` points to.
extern "C" fn answer(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let Ok(length) = usize::try_from(count) else { return CONVERSATION };
    if !(1..=MAX_PROMPTS).contains(&count) || messages.is_null() || responses.is_null() || data.is_null() {
        return CONVERSATION;
    }
    #[allow(unsafe_code)] // PAM asks so.
    // SAFETY: PAM gives `count` messages, and frees what `calloc` and `strdup` gave; `data` is the password, which lives
    // as long as the question does.
    unsafe {
        let all = nix::libc::calloc(length, size_of::<Response>()).cast::<Response>();
        if all.is_null() {
            return BUFFER;
        }
        for at in 0..length {
            let message = *messages.add(at);
            if !message.is_null() && matches!((*message).style, PROMPT_ECHO_OFF | PROMPT_ECHO_ON) {
                (*all.add(at)).text = nix::libc::strdup(data.cast_const().cast());
            }
        }
        *responses = all;
    }
    SUCCESS
}

fn is_right(user: &str, password: &str) -> anyhow::Result<bool> {
    type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut *mut c_void) -> c_int;
    type Step = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
    let (user, password) = (CString::new(user)?, CString::new(password)?);
    let talk = Conversation { converse: answer, data: password.as_ptr().cast_mut().cast() };
    let mut handle = ptr::null_mut();
    #[allow(unsafe_code)] // The library is C's.
    // SAFETY: the names and types are those of pam_start(3) and its like; user, password and conversation outlive the
    // handle, which ends here.
    let (started, right, may_come) = unsafe {
        let library = Library::new(LIBRARY).context("asking PAM: apt-get install libpam0g")?;
        let start: libloading::Symbol<'_, Start> = library.get(b"pam_start\0").context("asking PAM")?;
        let authenticate: libloading::Symbol<'_, Step> = library.get(b"pam_authenticate\0").context("asking PAM")?;
        let account: libloading::Symbol<'_, Step> = library.get(b"pam_acct_mgmt\0").context("asking PAM")?;
        let end: libloading::Symbol<'_, Step> = library.get(b"pam_end\0").context("asking PAM")?;
        let started = start(SERVICE.as_ptr(), user.as_ptr(), &talk, &mut handle);
        if started != SUCCESS {
            (started, SUCCESS, SUCCESS)
        } else {
            let right = authenticate(handle, 0);
            let may_come = if right == SUCCESS { account(handle, 0) } else { right };
            end(handle, may_come);
            (started, right, may_come)
        }
    };
    ensure!(started == SUCCESS, "PAM cannot be asked on this host: pam_start gives {started}");
    Ok(right == SUCCESS && may_come == SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_in_with_nothing_or_with_what_cannot_be() {
        for (user, password) in [("", "x"), ("root", ""), ("ro\0ot", "x"), ("root", "x\0y"), ("root", &"x".repeat(300))]
        {
            assert!(!knows(user, password).unwrap(), "{user:?}");
        }
        assert!(may("root") && !may("nobody") && !may("no such user"));
    }

    #[test]
    fn questions_for_a_secret_are_answered_and_others_are_not() {
        let password = c"secret";
        let message = |style| Message { style, text: c"?".as_ptr() };
        let (secret, info) = (message(PROMPT_ECHO_OFF), message(4));
        let messages = [&raw const secret, &raw const info];
        let mut responses = ptr::null_mut();
        let data = password.as_ptr().cast_mut().cast();
        assert_eq!(answer(2, messages.as_ptr(), &mut responses, data), SUCCESS);
        #[allow(unsafe_code)] // What PAM does with them.
        // SAFETY: two responses were just made, by the allocator of C.
        unsafe {
            assert_eq!(CStr::from_ptr((*responses).text), password);
            assert!((*responses.add(1)).text.is_null());
            nix::libc::free((*responses).text.cast());
            nix::libc::free(responses.cast());
        }
        for count in [0, -1, MAX_PROMPTS + 1] {
            assert_eq!(answer(count, messages.as_ptr(), &mut responses, data), CONVERSATION);
        }
        assert_eq!(answer(1, ptr::null(), &mut responses, data), CONVERSATION);
    }
}
