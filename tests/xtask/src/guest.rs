//! `cargo xtask test --guest`: boots Debian's kernel in an emulated machine, where there is an NFS server in the kernel and
//! a watchdog may bite, and tries there what cannot be tried here. What is tried is the crate `guest`'s.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::build;

/// The emulator, and the package that has it.
pub const EMULATOR: (&str, &str) = ("qemu-system-x86_64", "qemu-system-x86");
/// Programs under test.
const PROGRAMS: [&str; 4] = ["systoled", "systole", "systole-agents", "systole-fence-agents"];
/// What tries them; it lies beside this program.
const TRIER: &str = "systole-guest";
/// Where they are in the guest.
const PLACE: &str = "opt/systole";
/// What the guest's first process runs. The kernel puts words of its command line that it does not know into its environment.
const RUN: &str = "#!/bin/sh\nexec /opt/systole/systole-guest \"$trial\"\n";
/// Files are in memory: the root, the programs, disks.
const MEMORY: &str = "2048";
/// A guest that has not come to its end by then never will; as a rule it takes three minutes, on busy cores twelve.
const PATIENCE: Duration = Duration::from_secs(25 * 60);
/// How the guest's first process tells the end of what it ran.
const ENDED: &str = "guest: ended with ";

/// What is tried, each in a guest of its own.
const TRIALS: [(&str, End); 2] = [
    ("watchdog", End::Reset { after: "watchdog: the daemon stands still", by: "Initiating system reboot" }),
    ("failover", End::Passed),
];

/// How a guest comes to its end when all is as it should be.
#[derive(Clone, Copy)]
enum End {
    /// What it was booted for says so.
    Passed,
    /// By a reset of which the kernel says this, and only after these words.
    Reset { after: &'static str, by: &'static str },
}

/// What is known of a guest that has come to its end.
#[derive(Default)]
struct Console {
    /// The status that its program ended with, if it did.
    code: Option<i32>,
    lines: Vec<String>,
}

impl Console {
    fn hear(&mut self, line: String) {
        self.code = line.strip_prefix(ENDED).and_then(|code| code.trim().parse().ok()).or(self.code);
        self.lines.push(line);
    }

    /// What is wrong with it; nothing, as a rule.
    fn trouble(&self, end: End) -> Option<String> {
        let place = |words: &str| self.lines.iter().position(|line| line.contains(words));
        match (end, self.code) {
            (End::Passed, Some(0)) => None,
            (End::Reset { after, by }, None) => match (place(after), place(by)) {
                (Some(after), Some(by)) if after < by => None,
                (_, None) => Some("the guest ended without a reset by its watchdog".to_owned()),
                (_, Some(_)) => Some("its watchdog reset the guest before the daemon stood still".to_owned()),
            },
            (_, Some(code)) => Some(format!("what it was booted for ended with {code}")),
            (_, None) => Some("the guest ended without a word on what came of it".to_owned()),
        }
    }
}

/// Makes what it takes, boots it, and says what came of it.
pub fn run() -> Result<ExitCode> {
    let began = Instant::now();
    let programs = build::programs(false)?;
    build::run(build::cargo().args(["build", "--quiet", "--package", "guest"]))?;
    let place = programs.parent().context("the programs lie nowhere")?.join("guest");
    build::run(Command::new(build::root().join("tests/guest/root/make")).arg(&place))?;
    let image = place.join("initrd.cpio");
    write_image(&place, &programs, &image)?;
    println!("guest: made after {:.0} s", began.elapsed().as_secs_f64());
    let mut failed = 0;
    for (trial, end) in TRIALS {
        let booted = Instant::now();
        let trouble = boot(&place, &image, trial).map(|console| console.trouble(end)).unwrap_or_else(|error| {
            // The other guests are booted all the same.
            Some(format!("{error:#}"))
        });
        failed += u32::from(trouble.is_some());
        let outcome = trouble.unwrap_or_else(|| "as it should be".to_owned());
        println!("guest: {trial}: {outcome}; {:.0} s from its boot to its end", booted.elapsed().as_secs_f64());
    }
    // As large as a disk, and made anew each time.
    fs::remove_file(&image).with_context(|| format!("removing {}", image.display()))?;
    println!(
        "guest: {} passed, {failed} failed, {:.0} s in all",
        TRIALS.len() as u32 - failed,
        began.elapsed().as_secs_f64()
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The guest's root with the programs under test behind it: two archives that the kernel unpacks one after the other.
fn write_image(place: &Path, programs: &Path, image: &Path) -> Result<()> {
    let mut out = File::create(image).with_context(|| format!("making {}", image.display()))?;
    let root = place.join("root.cpio");
    io::copy(&mut File::open(&root).with_context(|| format!("opening {}", root.display()))?, &mut out)
        .with_context(|| format!("copying {}", root.display()))?;
    let mut archive = Archive { out };
    archive.directory(PLACE)?;
    let own = std::env::current_exe().context("finding this program's own file")?;
    let own = own.parent().context("this program lies nowhere")?;
    let all = PROGRAMS.map(|name| (name, programs)).into_iter().chain([(TRIER, own)]);
    for (name, directory) in all {
        let stripped = place.join(name);
        // What debuggers want is nine tenths of a program, and would be the guest's memory.
        build::run(Command::new("objcopy").arg("--strip-debug").arg(directory.join(name)).arg(&stripped))?;
        archive.file(&format!("{PLACE}/{name}"), 0o755, &fs::read(&stripped)?)?;
        fs::remove_file(&stripped).with_context(|| format!("removing {}", stripped.display()))?;
    }
    archive.file(&format!("{PLACE}/run"), 0o755, RUN.as_bytes())?;
    archive.directory(&format!("{PLACE}/nfs-vip"))?;
    let example = build::root().join("examples/nfs-vip/cib.xml");
    let example = fs::read(&example).with_context(|| format!("reading {}", example.display()))?;
    archive.file(&format!("{PLACE}/nfs-vip/cib.xml"), 0o644, &example)?;
    archive.end()
}

/// Runs the emulator and follows the guest's console until its end.
fn boot(place: &Path, image: &Path, trial: &str) -> Result<Console> {
    println!("guest: booting for {trial}");
    let mut emulator = Command::new(EMULATOR.0)
        // Without a processor's help: it works everywhere, also inside of another guest.
        .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", MEMORY])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .arg("-kernel")
        .arg(place.join("vmlinuz"))
        .arg("-initrd")
        .arg(image)
        .arg("-append")
        .arg(format!("console=ttyS0 quiet panic=-1 mitigations=off trial={trial}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}: it comes in the package {}", EMULATOR.0, EMULATOR.1))?;
    let console = emulator.stdout.take().context("the guest has no console")?;
    let (lines, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if lines.send(text).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + PATIENCE;
    let mut said = Console::default();
    let outcome = loop {
        match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("  | {line}");
                said.hear(line);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                break Err(anyhow::anyhow!("the guest did not come to its end in {} min", PATIENCE.as_secs() / 60));
            }
        }
    };
    if outcome.is_err() {
        emulator.kill().context("ending the emulator")?;
    }
    emulator.wait().context("waiting for the emulator")?;
    outcome?;
    Ok(said)
}

/// An archive of the form "newc", which the kernel reads.
struct Archive {
    out: File,
}

impl Archive {
    fn directory(&mut self, path: &str) -> Result<()> {
        self.entry(path, 0o040_755, &[])
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entry(path, 0o100_000 | mode, content)
    }

    fn end(&mut self) -> Result<()> {
        self.entry("TRAILER!!!", 0, &[])
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.out.write_all(&header(path, mode, content.len())).context("writing the guest's archive")?;
        self.out.write_all(content).context("writing the guest's archive")?;
        self.out.write_all(&[0; 3][..padding(content.len())]).context("writing the guest's archive")
    }
}

/// Thirteen numbers in hexadecimal, the name, and zeros to the next fourth byte.
fn header(path: &str, mode: u32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).expect("a program is smaller than 4 GiB");
    let name = u32::try_from(path.len() + 1).expect("a path of ours is short");
    let mut out = b"070701".to_vec();
    for number in [0, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name, 0] {
        out.extend(format!("{number:08x}").bytes());
    }
    out.extend(path.bytes());
    out.push(0);
    out.extend(&[0; 3][..padding(out.len())]);
    out
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_judged_by_its_console() {
        let trouble = |end: End, lines: &[&str]| {
            let mut console = Console::default();
            lines.iter().for_each(|line| console.hear((*line).to_owned()));
            console.trouble(end)
        };
        let reset = End::Reset { after: "stands still", by: "reboot" };
        for (end, lines, words) in [
            (End::Passed, &["a", "guest: ended with 0"][..], ""),
            (End::Passed, &["a", "guest: ended with 1"], "ended with 1"),
            (End::Passed, &["a"], "without a word"),
            (reset, &["it stands still", "[ 1.0] softdog: reboot"], ""),
            (reset, &["[ 1.0] softdog: reboot"], "before the daemon"),
            (reset, &["it stands still"], "without a reset"),
            (reset, &["it stands still", "guest: ended with 1"], "ended with 1"),
        ] {
            let found = trouble(end, lines).unwrap_or_default();
            assert!(if words.is_empty() { found.is_empty() } else { found.contains(words) }, "{lines:?}: {found}");
        }
    }

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let entry = header("a/b", 0o100_644, 5);
        assert_eq!(entry.len() % 4, 0);
        assert_eq!(
            String::from_utf8_lossy(&entry),
            "07070100000000000081a4000000000000000000000001000000000000000500000000000000000000000000000000\
             0000000400000000a/b\0\0\0"
        );
        assert_eq!([0, 1, 2, 3, 4].map(padding), [0, 3, 2, 1, 0]);
    }
}
