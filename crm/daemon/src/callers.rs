//! Who asks: the users at the other ends of connections, as the kernel tells them. What they may is `acl`'s to say.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use acl::requests::Admitted;
use acl::{Rights, Who};
use cib::Cib;
use nix::unistd::{Group, Uid, User, geteuid, getgrouplist};
use node::ClientId;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use wire::{Reply, Request};

/// How long it may take to learn a user's name: names may come from a directory in the network, and a tool waits.
const NAME_WAIT: Duration = Duration::from_secs(5);

/// Names of users, asked one at a time: a directory that hangs holds up one thread and no more.
#[derive(Clone, Debug)]
pub struct Names {
    asking: Arc<Semaphore>,
}

impl Default for Names {
    fn default() -> Self {
        Names { asking: Arc::new(Semaphore::new(1)) }
    }
}

impl Names {
    /// Who is at the other end of a connection. `None` for root and for the user that the daemon runs as, who may do all
    /// that it may. Somebody whose name is not to be learnt goes by the number, and has no group.
    pub async fn of(&self, stream: &UnixStream) -> Option<Who> {
        let Ok(peer) = stream.peer_cred() else { return Some(Who::default()) };
        let uid = Uid::from_raw(peer.uid());
        if uid.is_root() || uid == geteuid() {
            return None;
        }
        let asking = async {
            let permit = self.asking.clone().acquire_owned().await.ok()?;
            let asked = tokio::task::spawn_blocking(move || {
                let who = named(uid);
                drop(permit);
                who
            });
            asked.await.ok()?
        };
        let nameless = || Who { user: uid.to_string(), groups: Vec::new() };
        match tokio::time::timeout(NAME_WAIT, asking).await {
            Ok(who) => Some(who.unwrap_or_else(nameless)),
            Err(_) => {
                let seconds = NAME_WAIT.as_secs();
                tracing::warn!(event = "client", "who user {uid} is could not be learnt within {seconds} s");
                Some(nameless())
            }
        }
    }
}

/// The name of a user and those of all groups.
fn named(uid: Uid) -> Option<Who> {
    let user = User::from_uid(uid).ok()??;
    let name = CString::new(user.name.clone()).ok()?;
    let groups = getgrouplist(&name, user.gid).unwrap_or_else(|_| vec![user.gid]);
    let groups = groups.into_iter().filter_map(|gid| Group::from_gid(gid).ok()?.map(|group| group.name)).collect();
    Some(Who { user: user.name, groups })
}

/// Those who ask and whom ACLs may restrict, by connection.
#[derive(Debug, Default)]
pub struct Callers {
    known: BTreeMap<ClientId, Who>,
}

impl Callers {
    /// Somebody came.
    pub fn came(&mut self, client: ClientId, who: Who) {
        self.known.insert(client, who);
    }

    /// The connection ended.
    pub fn gone(&mut self, client: ClientId) {
        self.known.remove(&client);
    }

    /// What becomes of a request.
    pub fn admit(&self, client: ClientId, cib: &Cib, now: i64, request: Request) -> Admitted {
        match self.rights(client, cib, now) {
            None => Admitted::Ask(request),
            Some(rights) => {
                let admitted = rights.admit(cib, request);
                if let Admitted::Answer(Reply::Refused { reason, .. }) = &admitted {
                    tracing::info!(event = "acl", "refused: {reason}");
                }
                admitted
            }
        }
    }

    /// What they see of an answer.
    pub fn shown(&self, client: ClientId, cib: &Cib, now: i64, reply: Reply) -> Reply {
        match self.rights(client, cib, now) {
            None => reply,
            Some(rights) => rights.shown(cib, reply),
        }
    }

    fn rights(&self, client: ClientId, cib: &Cib, now: i64) -> Option<Rights> {
        Rights::of(cib.document(), self.known.get(&client)?, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_a_group() {
        let who = named(Uid::from_raw(0)).expect("every host has a root");
        assert!(who.user == "root" && !who.groups.is_empty(), "{who:?}");
    }

    #[test]
    fn the_daemons_own_user_is_not_restricted() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (here, _there) = UnixStream::pair().unwrap();
            assert_eq!(Names::default().of(&here).await, None);
        });
    }
}
