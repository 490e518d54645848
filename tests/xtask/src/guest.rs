//! `cargo xtask test --guest`: boots Debian's kernel in an emulated machine, where there is an NFS server in the kernel,
//! and tries there what cannot be tried on a kernel without one. What is tried is the crate `guest`'s.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::build;

/// The emulator, and the package that has it.
pub const EMULATOR: (&str, &str) = ("qemu-system-x86_64", "qemu-system-x86");
/// Programs under test.
const PROGRAMS: [&str; 4] = ["systoled", "systole", "systole-agents", "systole-fence-agents"];
/// What tries them; it lies beside this program.
const TRIER: &str = "systole-guest";
/// Where they are in the guest.
const PLACE: &str = "opt/systole";
/// What the guest's first process runs.
const RUN: &str = "#!/bin/sh\nexec /opt/systole/systole-guest try\n";
/// Files are in memory: the root, the programs, disks.
const MEMORY: &str = "2048";
/// A guest that has not come to its end by then never will; as a rule it takes three minutes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How the guest's first process tells the end of what it ran.
const ENDED: &str = "guest: ended with ";

/// Makes what it takes, boots it, and says what came of it.
pub fn run() -> Result<ExitCode> {
    let began = Instant::now();
    let programs = build::programs(false)?;
    build::run(build::cargo().args(["build", "--quiet", "--package", "guest"]))?;
    let place = programs.parent().context("the programs lie nowhere")?.join("guest");
    build::run(Command::new(build::root().join("tests/guest/root/make")).arg(&place))?;
    let image = place.join("initrd.cpio");
    write_image(&place, &programs, &image)?;
    println!("guest: made after {:.0} s, booting", began.elapsed().as_secs_f64());
    let booted = Instant::now();
    let code = boot(&place, &image);
    // As large as a disk, and made anew each time.
    fs::remove_file(&image).with_context(|| format!("removing {}", image.display()))?;
    let code = code?;
    println!(
        "guest: {:.0} s from its boot to its end, {:.0} s in all",
        booted.elapsed().as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    let passed = u32::from(code == 0);
    println!("guest: {passed} passed, {} failed", 1 - passed);
    Ok(if code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// Runs the emulator and follows the guest's console; gives the status that its program ended with.
fn boot(place: &Path, image: &PathBuf) -> Result<i32> {
    let mut emulator = Command::new(EMULATOR.0)
        // Without a processor's help: it works everywhere, also inside of another guest.
        .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", MEMORY])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .arg("-kernel")
        .arg(place.join("vmlinuz"))
        .arg("-initrd")
        .arg(image)
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"])
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
    let mut code = None;
    let outcome = loop {
        match heard.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("  | {line}");
                code = line.strip_prefix(ENDED).and_then(|code| code.trim().parse().ok()).or(code);
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
    let status = emulator.wait().context("waiting for the emulator")?;
    outcome?;
    match code {
        Some(code) => Ok(code),
        None => bail!("the guest ended without a word on what came of it ({status})"),
    }
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
