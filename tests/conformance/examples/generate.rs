//! `cargo run -p conformance --example generate -- FOLDER COUNT [FIRST]`: writes generated clusters as CIBs, for
//! `peer/compare.py`.

use conformance::clusters::{Size, cluster};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, rest @ ..] = arguments.as_slice() else {
        eprintln!("expected a folder and a number of clusters");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<u64>().unwrap_or_else(|error| panic!("reading {text}: {error}"));
    let first = rest.first().map_or(1, number);
    for seed in first..first + number(count) {
        let at = seed as usize;
        let size = Size { nodes: 2 + at % 4, resources: 1 + at % 6, constraints: at % 5, collectives: true };
        let path = std::path::Path::new(folder).join(format!("g{seed}.xml"));
        std::fs::write(&path, cluster(seed, size))
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
}
