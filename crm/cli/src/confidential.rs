//! Secrets of the configuration in what is printed: struck out, unless they are asked for.

use cib::Document;
use clap::{Arg, ArgAction, ArgMatches};
use secrets::{STRUCK, Secrets};

use crate::terminal::complain;

/// The option that asks for them.
pub const OPTION: &str = "--show-secrets";

/// The option as an argument.
pub fn argument() -> Arg {
    Arg::new("show-secrets")
        .long("show-secrets")
        .action(ArgAction::SetTrue)
        .help(format!("Show passwords and the like, instead of {STRUCK}"))
}

/// A document as it is shown.
pub fn document(document: &Document, arguments: &ArgMatches) -> Document {
    if arguments.get_flag("show-secrets") {
        return document.clone();
    }
    let clean = secrets::without(document);
    if !clean.same(clean.root(), document, document.root()) {
        hint();
    }
    clean
}

/// A text as it is shown, with the secrets of these documents struck out of it.
pub fn text(text: &str, of: &[&Document], show: bool) -> String {
    if show {
        return text.to_owned();
    }
    let secrets = of.iter().fold(Secrets::default(), |all, one| all.and(&Secrets::of(one)));
    let clean = secrets.struck(text);
    if clean != text {
        hint();
    }
    clean
}

/// A command line as it was typed: what stands behind `password=` is nobody's business, whoever asks.
pub fn command(typed: &str) -> String {
    Secrets::default().struck(typed)
}

fn hint() {
    complain(&format!(
        "({STRUCK} stands for a secret: {OPTION} shows it, and `systole apply` takes it for the one that is there)"
    ));
}
