//! Stays with an address that is served: hears from the kernel when it, its link or its route goes, hears from the
//! link when another host claims it, and tells the link now and then where it is. What is wrong with an address, the
//! monitor decides; when a claim counts, `duplicate`.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use ocf::{Failure, Status};

use super::settings::Settings;
use super::{Host, reading, speaker};
use crate::announce::{Mac, Speaker, mac_text};
use crate::duplicate::{Command, Defence, Event};
use crate::netlink::{Address, Change, Events, Link};
use crate::run_directory::{Level, log};

/// How often the address is announced while it is held: often enough that a neighbour who learnt something else comes
/// back within the life of an ARP entry, seldom enough that hundreds of addresses are no load on a link.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(60);

/// Returns what ends it; `Running` when who started us has gone.
pub(super) fn watch(settings: &Settings, armed: &mut dyn FnMut()) -> Result<Status, Failure> {
    // First the ear, then the look: what happens in between is not missed.
    let events = Events::open().map_err(|error| reading("changes", error))?;
    let mut host = Host::open()?;
    let Some((address, link)) = host.judge(settings)? else { return Ok(Status::Stopped) };
    let speaker = speaker(settings.ip, &link)?;
    if let Some(speaker) = &speaker
        && let Err(error) = speaker.listen()
    {
        log(Level::Warning, &format!("listening on {} for other owners of {}: {error}", link.name, settings.ip));
    }
    armed();
    Watch { settings, host, events, speaker, address, link, defence: Defence::default(), begin: Instant::now() }.stay()
}

struct Watch<'a> {
    settings: &'a Settings,
    host: Host,
    events: Events,
    speaker: Option<Speaker>,
    address: Address,
    link: Link,
    defence: Defence,
    begin: Instant,
}

/// What there is to read.
struct Readable {
    kernel: bool,
    link: bool,
    caller: bool,
}

impl Watch<'_> {
    fn stay(&mut self) -> Result<Status, Failure> {
        let stdin = std::io::stdin();
        let caller = is_pipe(stdin.as_fd()).then(|| stdin.as_fd());
        let mut announce = self.begin.elapsed() + ANNOUNCE_EVERY;
        loop {
            let deadline = self.defence.deadline().map_or(announce, |deadline| deadline.min(announce));
            let readable = self.wait(caller, deadline).map_err(|error| reading("changes", error.into()))?;
            if readable.caller && is_closed(caller) {
                return Ok(Status::Running);
            }
            if readable.kernel && self.concerns_us()? {
                match self.host.judge(self.settings)? {
                    None => return Ok(Status::Stopped),
                    Some((address, link)) => (self.address, self.link) = (address, link),
                }
            }
            if readable.link {
                self.hear()?;
            }
            let now = self.begin.elapsed();
            self.defence.handle(now, Event::Timeout);
            self.defend()?;
            if now >= announce {
                announce = now + ANNOUNCE_EVERY;
                self.announce();
            }
        }
    }

    fn wait(&self, caller: Option<BorrowedFd<'_>>, deadline: Duration) -> nix::Result<Readable> {
        let left = deadline.saturating_sub(self.begin.elapsed());
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let milliseconds = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let mut ask = vec![PollFd::new(self.events.as_fd(), PollFlags::POLLIN)];
        ask.extend(self.speaker.iter().map(|speaker| PollFd::new(speaker.as_fd(), PollFlags::POLLIN)));
        ask.extend(caller.map(|caller| PollFd::new(caller, PollFlags::POLLIN)));
        match poll(&mut ask, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let mut any = ask.iter().map(|one| one.any().unwrap_or(false));
        Ok(Readable {
            kernel: any.next().unwrap_or(false),
            link: self.speaker.is_some() && any.next().unwrap_or(false),
            caller: any.next().unwrap_or(false),
        })
    }

    /// Did something happen to our address, our link or a route over it?
    fn concerns_us(&mut self) -> Result<bool, Failure> {
        let changes = self.events.read().map_err(|error| reading("changes", error))?;
        Ok(changes.iter().any(|change| match change {
            Change::Link(link) => *link == self.link.index,
            Change::Address(ip, link) => *link == self.link.index && *ip == self.settings.ip,
            Change::RouteLost(link) => link.is_none_or(|link| link == self.link.index),
            Change::Missed => true,
        }))
    }

    fn hear(&mut self) -> Result<(), Failure> {
        let Some(speaker) = &self.speaker else { return Ok(()) };
        // A link that goes down says so here, too; what it means, the kernel's own news say.
        let Ok(Some(mac)) = speaker.hear() else { return Ok(()) };
        // Every interface of a Linux host answers for every address of the host (arp_ignore), so it may be us.
        let links = self.host.netlink.links().map_err(|error| reading("interfaces", error))?;
        if !links.iter().any(|link| link.mac == mac) {
            log(Level::Warning, &format!("{} claims {} on {}", mac_text(mac), self.settings.ip, self.link.name));
            self.defence.handle(self.begin.elapsed(), Event::Claimed(mac));
            self.defend()?;
        }
        Ok(())
    }

    fn defend(&mut self) -> Result<(), Failure> {
        match self.defence.poll() {
            Some(Command::Ask) => {
                // An answer that gets lost is as none, and then the address is defended.
                let _ = self.speaker.as_ref().map(Speaker::ask);
                Ok(())
            }
            Some(Command::Announce) => {
                self.announce();
                Ok(())
            }
            Some(Command::Owned(mac)) => Err(self.taken_by(mac)),
            Some(Command::Free) | None => Ok(()),
        }
    }

    fn taken_by(&self, mac: Mac) -> Failure {
        Failure::error(format!(
            "another host has {} as well: {} on {} says so again after it was asked; take the address from that host, or \
             find out why this cluster does not know of it",
            self.settings.ip,
            mac_text(mac),
            self.link.name
        ))
    }

    fn announce(&self) {
        if let Some(speaker) = &self.speaker
            && let Err(error) = speaker.announce()
        {
            log(Level::Warning, &format!("announcing {} on {}: {error}", self.settings.ip, self.link.name));
        }
    }
}

/// Is there somebody at the other end, who will be gone when it closes?
fn is_pipe(file: BorrowedFd<'_>) -> bool {
    fstat(file).is_ok_and(|about| {
        let kind = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT;
        kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK
    })
}

fn is_closed(caller: Option<BorrowedFd<'_>>) -> bool {
    let Some(caller) = caller else { return false };
    // What is written there means nothing to us.
    let mut ignored = [0; 64];
    !matches!(nix::unistd::read(caller, &mut ignored), Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR))
}
