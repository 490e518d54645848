//! Files, control file and scripts to a package, with dpkg-deb.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::ask;
use super::recipe::{File, Recipe};
use crate::build;

/// Debian's names for them.
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];
/// What Rust's programs are linked with besides the C library.
const UNWINDING: &str = "libgcc-s1";

/// Makes the package in a directory, and gives its path.
pub fn pack(recipe: &Recipe, output: &Path, fast: bool) -> Result<PathBuf> {
    fs::create_dir_all(output).with_context(|| format!("making {}", output.display()))?;
    let tree = tempfile::tempdir_in(output).context("a directory of ours")?;
    let tree = tree.path();
    // The directory becomes the package's root.
    fs::set_permissions(tree, fs::Permissions::from_mode(0o755))?;
    for file in &recipe.files {
        lay(file, &tree.join(&file.place)).with_context(|| format!("laying /{}", file.place))?;
    }
    let changelog = tree.join("usr/share/doc").join(&recipe.name).join("changelog.Debian");
    lay_plain(&recipe.changelog, &changelog, 0o644)?;
    build::run(Command::new("gzip").args(["-9", "-n"]).arg(&changelog))?;

    let control = tree.join("DEBIAN");
    fs::create_dir(&control)?;
    let architecture = String::from_utf8(ask(Path::new("dpkg"), &["--print-architecture"])?)?.trim().to_owned();
    fs::write(control.join("control"), fields(recipe, &architecture, tree)?)?;
    // What is in /etc is the administrator's.
    let in_etc = recipe.files.iter().filter(|file| file.place.starts_with("etc/"));
    fs::write(control.join("conffiles"), in_etc.map(|file| format!("/{}\n", file.place)).collect::<String>())?;
    for script in SCRIPTS.iter().filter(|script| recipe.scripts.join(script).exists()) {
        lay_plain(&recipe.scripts.join(script), &control.join(script), 0o755)?;
    }
    fs::write(control.join("md5sums"), sums(tree)?)?;

    let package = output.join(format!("{}_{}_{architecture}.deb", recipe.name, recipe.version));
    let compression: &[&str] = if fast { &["-Zgzip", "-z1"] } else { &["-Zxz"] };
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.args(compression).args(["--root-owner-group", "--build"]).arg(tree).arg(&package).stdout(Stdio::null());
    build::run(&mut dpkg)?;
    Ok(package)
}

fn lay(file: &File, place: &Path) -> Result<()> {
    if let Ok(target) = fs::read_link(&file.source) {
        fs::create_dir_all(place.parent().context("a file has a folder")?)?;
        return Ok(symlink(target, place)?);
    }
    lay_plain(&file.source, place, file.mode)?;
    if file.is_program {
        // Symbols are most of a program, and no use to who runs it. Without binutils they stay.
        let stripped = Command::new("strip").arg("--strip-unneeded").arg(place).status();
        if !stripped.is_ok_and(|status| status.success()) {
            eprintln!("{} keeps its symbols: apt-get install binutils", file.place);
        }
    }
    Ok(())
}

fn lay_plain(source: &Path, place: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(place.parent().context("a file has a folder")?)?;
    fs::copy(source, place).with_context(|| format!("copying {}", source.display()))?;
    Ok(fs::set_permissions(place, fs::Permissions::from_mode(mode))?)
}

/// The control file.
fn fields(recipe: &Recipe, architecture: &str, tree: &Path) -> Result<String> {
    let programs = recipe.files.iter().filter(|file| file.is_program).map(|file| tree.join(&file.place));
    let programs = programs.map(|path| Ok(fs::read(path)?)).collect::<Result<Vec<_>>>()?;
    let (major, minor) = programs.iter().filter_map(|program| newest_of_c(program)).max().unwrap_or((2, 0));
    let size = ask(Path::new("du"), &["-sk", "--apparent-size", &tree.to_string_lossy()])?;
    let size = String::from_utf8(size)?.split_whitespace().next().unwrap_or("0").to_owned();
    let mut text = format!(
        "Package: {}\nVersion: {}\nArchitecture: {architecture}\nInstalled-Size: {size}\n\
         Depends: libc6 (>= {major}.{minor}), {UNWINDING}, {}\n",
        recipe.name, recipe.version, recipe.depends
    );
    for (name, value) in &recipe.fields {
        writeln!(text, "{name}: {value}")?;
    }
    writeln!(text, "Description: {}", recipe.description)?;
    Ok(text)
}

/// The newest version of the C library that a program names, such as 2.34 in `GLIBC_2.34`.
fn newest_of_c(program: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let mut newest = None;
    let mut rest = program;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        rest = &rest[at + MARK.len()..];
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(rest.len());
        let version = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
        if let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) {
            newest = newest.max(Some((major, minor)));
        }
    }
    newest
}

/// `md5sum` of every plain file, by which `dpkg --verify` looks whether any was changed.
fn sums(tree: &Path) -> Result<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() && !path.ends_with("DEBIAN") {
                folders.push(path);
            } else if kind.is_file() {
                files.insert(path.strip_prefix(tree)?.to_owned());
            }
        }
    }
    let output = Command::new("md5sum").current_dir(tree).args(files).output().context("starting md5sum")?;
    anyhow::ensure!(output.status.success(), "md5sum: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_is_found() {
        assert_eq!(newest_of_c(b"..GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), Some((2, 34)));
        assert_eq!(newest_of_c(b"nothing GLIBC_"), None);
    }
}
