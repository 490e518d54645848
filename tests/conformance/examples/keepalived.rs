//! Reads recorded keepalived.conf files and compares the model with the one that keepalived itself built: `keepalived
//! DIR`, where DIR holds `index.json`, the files it names, and `oracle/ID.json` for some of them.

use std::path::Path;
use std::process::ExitCode;

use keepalived::model::{Authentication, Instance, Version};
use keepalived::{Files, Host, Model};
use serde_json::Value;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("which directory? It holds index.json, files and oracle");
        return ExitCode::from(2);
    };
    let folder = Path::new(&folder);
    let index = read(&folder.join("index.json"));
    let (mut compared, mut wrong) = (0, 0);
    let files = index.as_array().expect("a list of files");
    for file in files {
        let (id, name) = (file["id"].as_str().unwrap_or("?"), file["file"].as_str().expect("each has a file"));
        let bytes = std::fs::read(folder.join(name)).expect("the file is there");
        let path =
            format!("/etc/keepalived/{}", Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or("x"));
        let model = Model::read(&Files::one(path, String::from_utf8_lossy(&bytes)), &Host::default());
        let oracle = folder.join(format!("oracle/{id}.json"));
        if !oracle.exists() {
            continue;
        }
        compared += 1;
        let oracle = read(&oracle);
        let differences = compare(&model, oracle.as_array().expect("a list of instances"));
        if !differences.is_empty() {
            wrong += 1;
            println!("WRONG {id}: {} differences", differences.len());
            differences.iter().take(5).for_each(|line| println!("    {line}"));
        }
    }
    println!("{} files read, {} of {compared} models are keepalived's", files.len(), compared - wrong);
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

fn compare(model: &Model, oracle: &[Value]) -> Vec<String> {
    let mut differences = Vec::new();
    if model.instances.len() != oracle.len() {
        differences.push(format!("{} instances, recorded {}", model.instances.len(), oracle.len()));
    }
    for (instance, recorded) in model.instances.iter().zip(oracle) {
        for (name, value) in fields(instance) {
            let theirs = shown(&recorded["data"][name]);
            if value != theirs {
                differences.push(format!("{}: {name} is {value}, recorded {theirs}", instance.name));
            }
        }
    }
    differences
}

/// One form for numbers, switches and lists: keepalived writes switches as numbers here and as words there.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::Null => "[]".to_owned(),
        Value::Number(number) => number.as_f64().map_or(String::new(), |number| number.to_string()),
        Value::Array(list) => {
            let word = |one: &Value| {
                // Behind it stands whether it is on its interface, and in a firewall's set.
                let text = one.as_str().unwrap_or_default();
                text.split_once(" set").map_or(text, |(address, _)| address).to_owned()
            };
            format!("{:?}", list.iter().map(word).collect::<Vec<_>>())
        }
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn fields(instance: &Instance) -> Vec<(&'static str, String)> {
    let flag = |on: bool| u8::from(on).to_string();
    let seconds = |us: u64| (us as f64 / 1e6).to_string();
    let addresses = |list: &[keepalived::model::VirtualAddress]| {
        if list.is_empty() {
            "[]".to_owned()
        } else {
            format!("{:?}", list.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
    };
    let interface = instance.vmac.clone().or(instance.interface.clone()).unwrap_or_default();
    let (kind, password) = match &instance.authentication {
        Some(Authentication::Pass(password)) => ("1", password.clone()),
        Some(Authentication::Header(password)) => ("2", password.clone()),
        None => ("0", "[]".to_owned()),
    };
    vec![
        ("iname", instance.name.clone()),
        ("ifp_ifname", interface),
        ("vmac_ifname", instance.vmac.clone().unwrap_or_default()),
        ("vrid", instance.router_id.to_string()),
        ("base_priority", instance.priority.to_string()),
        ("adver_int", seconds(instance.advert_us)),
        ("version", if instance.version == Version::Two { "2" } else { "3" }.to_owned()),
        ("accept", flag(instance.accept)),
        ("nopreempt", flag(instance.nopreempt)),
        // keepalived shows whole seconds.
        ("preempt_delay", (instance.preempt_delay_us / 1_000_000).to_string()),
        ("strict_mode", flag(instance.strict)),
        ("skip_check_adv_addr", flag(instance.skip_check_adv_addr)),
        ("dont_track_primary", flag(instance.dont_track_primary)),
        ("promote_secondaries", flag(instance.promote_secondaries)),
        ("smtp_alert", flag(instance.smtp_alert)),
        ("lower_prio_no_advert", flag(instance.lower_prio_no_advert)),
        ("higher_prio_send_advert", flag(instance.higher_prio_send_advert)),
        ("garp_delay", instance.garp.delay.to_string()),
        ("garp_rep", instance.garp.repeat.to_string()),
        ("garp_refresh", instance.garp.refresh.to_string()),
        ("garp_refresh_rep", instance.garp.refresh_repeat.to_string()),
        ("garp_lower_prio_delay", instance.garp.lower_prio_delay.to_string()),
        ("garp_lower_prio_rep", instance.garp.lower_prio_repeat.to_string()),
        ("auth_type", kind.to_owned()),
        ("auth_data", password),
        ("vips", addresses(&instance.addresses)),
        ("evips", addresses(&instance.excluded)),
    ]
}
