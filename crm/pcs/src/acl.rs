//! `pcs acl …`: who may see and change what.

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs;
use crate::tree;

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command { path: &["acl"], arguments: "", about: "Shows all ACLs", options: &[], run: config },
    Command { path: &["acl", "config"], arguments: "", about: "Shows all ACLs", options: &[], run: config },
    Command { path: &["acl", "show"], arguments: "", about: "Shows all ACLs", options: &[], run: config },
    Command {
        path: &["acl", "enable"],
        arguments: "",
        about: "Makes ACLs count",
        options: &[],
        run: |call| enable(call, "true"),
    },
    Command {
        path: &["acl", "disable"],
        arguments: "",
        about: "Makes ACLs count for nothing",
        options: &[],
        run: |call| enable(call, "false"),
    },
    Command {
        path: &["acl", "role", "create"],
        arguments: "<role id> [description=<description>] [((read | write | deny) (xpath <query> | id <id>))…]",
        about: "Creates a role",
        options: &[],
        run: role_create,
    },
    Command {
        path: &["acl", "role", "delete"],
        arguments: "<role id>",
        about: "Deletes a role, and takes it from all who have it",
        options: &["--autodelete"],
        run: role_delete,
    },
    Command {
        path: &["acl", "role", "remove"],
        arguments: "<role id>",
        about: "Deletes a role, and takes it from all who have it",
        options: &["--autodelete"],
        run: role_delete,
    },
    Command {
        path: &["acl", "role", "assign"],
        arguments: "<role id> [to] [user|group] <username/group>",
        about: "Gives a role to a user or a group",
        options: &[],
        run: assign,
    },
    Command {
        path: &["acl", "role", "unassign"],
        arguments: "<role id> [from] [user|group] <username/group>",
        about: "Takes a role from a user or a group",
        options: &["--autodelete"],
        run: unassign,
    },
    Command {
        path: &["acl", "user", "create"],
        arguments: "<username> [<role id>]…",
        about: "Creates a user's ACL",
        options: &[],
        run: |call| who_create(call, "acl_target"),
    },
    Command {
        path: &["acl", "user", "delete"],
        arguments: "<username>",
        about: "Deletes a user's ACL",
        options: &[],
        run: |call| who_delete(call, "acl_target"),
    },
    Command {
        path: &["acl", "user", "remove"],
        arguments: "<username>",
        about: "Deletes a user's ACL",
        options: &[],
        run: |call| who_delete(call, "acl_target"),
    },
    Command {
        path: &["acl", "group", "create"],
        arguments: "<group> [<role id>]…",
        about: "Creates a group's ACL",
        options: &[],
        run: |call| who_create(call, "acl_group"),
    },
    Command {
        path: &["acl", "group", "delete"],
        arguments: "<group>",
        about: "Deletes a group's ACL",
        options: &[],
        run: |call| who_delete(call, "acl_group"),
    },
    Command {
        path: &["acl", "group", "remove"],
        arguments: "<group>",
        about: "Deletes a group's ACL",
        options: &[],
        run: |call| who_delete(call, "acl_group"),
    },
    Command {
        path: &["acl", "permission", "add"],
        arguments: "<role id> ((read | write | deny) (xpath <query> | id <id>))…",
        about: "Adds permissions to a role, which is made if there is none",
        options: &[],
        run: permission_add,
    },
    Command {
        path: &["acl", "permission", "delete"],
        arguments: "<permission id>",
        about: "Removes a permission",
        options: &[],
        run: permission_delete,
    },
    Command {
        path: &["acl", "permission", "remove"],
        arguments: "<permission id>",
        about: "Removes a permission",
        options: &[],
        run: permission_delete,
    },
]];

fn all<'a>(cib: &'a Document, kind: &'a str) -> impl Iterator<Item = Element> + 'a {
    tree::within(cib, "acls").filter(move |one| cib.name(*one) == kind)
}

fn find(cib: &Document, kind: &str, id: &str) -> Option<Element> {
    all(cib, kind).find(|one| cib.id(*one) == id)
}

/// What a kind of element is called.
fn word(kind: &str) -> &'static str {
    match kind {
        "acl_target" => "ACL user",
        "acl_group" => "ACL group",
        "acl_permission" => "ACL permission",
        _ => "ACL role",
    }
}

fn need(call: &mut Call<'_>, kind: &str, id: &str) -> Done<Element> {
    match find(&call.cib, kind, id) {
        Some(found) => Ok(found),
        None if tree::by_id(&call.cib, id).is_some() => call.fail(format!("'{id}' is not an {}", word(kind))),
        None => call.fail(format!("{} '{id}' does not exist", word(kind))),
    }
}

fn enable(call: &mut Call<'_>, value: &str) -> Done {
    call.no_more()?;
    let set = tree::within(&call.cib, "crm_config").find(|one| call.cib.name(*one) == "cluster_property_set");
    let set = set.unwrap_or_else(|| {
        let section = tree::section(&mut call.cib, "crm_config");
        let set = call.cib.append(section, "cluster_property_set");
        let id = tree::free_id(&call.cib, "cib-bootstrap-options");
        call.cib.set(set, "id", &id);
        set
    });
    nvset::update(&mut call.cib, set, &vec![("enable-acl".into(), value.into())]);
    Ok(())
}

fn config(call: &mut Call<'_>) -> Done {
    call.no_more()?;
    let cib = call.cib.clone();
    let enabled = cib::boolean::is_true(cib::view::property(&cib, "enable-acl", call.world.now()));
    match enabled {
        true => call.say("ACLs are enabled"),
        false => call.say("ACLs are disabled, run 'pcs acl enable' to enable"),
    }
    call.say("");
    for (kind, title) in [("acl_target", "User"), ("acl_group", "Group")] {
        for who in all(&cib, kind) {
            call.say(format!("{title}: {}", cib.id(who)));
            let roles: Vec<&str> = cib.children_named(who, "role").map(|role| cib.id(role)).collect();
            call.say(format!("  Roles: {}", roles.join(" ")).trim_end());
        }
    }
    for role in all(&cib, "acl_role") {
        call.say(format!("Role: {}", cib.id(role)));
        if let Some(description) = cib.attribute(role, "description").filter(|text| !text.is_empty()) {
            call.say(format!("  Description: {description}"));
        }
        for permission in cib.children_named(role, "acl_permission") {
            let of = |name| cib.attribute(permission, name);
            let about = [("xpath", "xpath"), ("reference", "id"), ("object-type", "object-type")];
            let about =
                about.iter().find_map(|(name, shown)| Some(format!("{shown} {}", of(name)?))).unwrap_or_default();
            call.say(format!("  Permission: {} {about} ({})", of("kind").unwrap_or(""), cib.id(permission)));
        }
    }
    Ok(())
}

/// One permission: read, write or deny; xpath or id; of what.
type Permission = (String, String, String);

fn permissions(words: &[String]) -> Done<Vec<Permission>> {
    let wrong = || Refusal::usage("expected (read | write | deny) (xpath <query> | id <id>)");
    let mut found = Vec::new();
    for three in words.chunks(3) {
        let [kind, scope, of] = three else { return Err(wrong()) };
        let (kind, scope) = (kind.to_lowercase(), scope.to_lowercase());
        if !["read", "write", "deny"].contains(&kind.as_str()) || !["xpath", "id"].contains(&scope.as_str()) {
            return Err(wrong());
        }
        found.push((kind, scope, of.clone()));
    }
    Ok(found)
}

fn check_permissions(call: &mut Call<'_>, permissions: &[Permission]) -> Done {
    for (_, scope, of) in permissions {
        if scope == "id" && tree::by_id(&call.cib, of).is_none() {
            call.error(format!("id '{of}' does not exist"));
        }
    }
    call.settled()
}

fn write_permissions(call: &mut Call<'_>, role: Element, permissions: &[Permission]) {
    for (kind, scope, of) in permissions {
        let id = tree::sub_id(&call.cib, role, kind);
        let one = call.cib.append(role, "acl_permission");
        let scope = if scope == "id" { "reference" } else { "xpath" };
        for (name, value) in [("id", &id), ("kind", kind), (scope, of)] {
            call.cib.set(one, name, value);
        }
    }
}

fn role_create(call: &mut Call<'_>) -> Done {
    let id = call.next("a role id")?;
    let described = call.words.first().and_then(|word| word.strip_prefix("description=")).map(str::to_owned);
    if described.is_some() {
        call.words.remove(0);
    }
    let permissions = permissions(&call.words)?;
    tree::check_new_id(call, &id, "ACL role")?;
    check_permissions(call, &permissions)?;
    let role = new_role(call, &id);
    if let Some(text) = described {
        call.cib.set(role, "description", &text);
    }
    write_permissions(call, role, &permissions);
    Ok(())
}

fn new_role(call: &mut Call<'_>, id: &str) -> Element {
    let section = tree::section(&mut call.cib, "acls");
    let role = call.cib.append(section, "acl_role");
    call.cib.set(role, "id", id);
    role
}

fn role_delete(call: &mut Call<'_>) -> Done {
    let id = call.next("a role id")?;
    call.no_more()?;
    let role = need(call, "acl_role", &id)?;
    let refs: Vec<Element> = all(&call.cib, "role").filter(|one| call.cib.id(*one) == id).collect();
    for one in refs {
        let who = call.cib.parent(one);
        call.cib.remove(one);
        remove_if_bare(call, who);
    }
    call.cib.remove(role);
    Ok(())
}

/// With `--autodelete`, whoever has no role left goes as well.
fn remove_if_bare(call: &mut Call<'_>, who: Option<Element>) {
    if call.options.has("--autodelete")
        && let Some(who) = who.filter(|who| call.cib.children(*who).next().is_none())
    {
        call.cib.remove(who);
    }
}

/// `<role> [to|from] [user|group] <name>`.
fn role_and_whom(call: &mut Call<'_>, between: &str) -> Done<(String, Option<&'static str>, String)> {
    let role = call.next("a role id")?;
    let mut words = std::mem::take(&mut call.words);
    if words.len() > 1 && words[0] == between {
        words.remove(0);
    }
    match &words[..] {
        [name] => Ok((role, None, name.clone())),
        [kind, name] if kind == "user" => Ok((role, Some("acl_target"), name.clone())),
        [kind, name] if kind == "group" => Ok((role, Some("acl_group"), name.clone())),
        _ => Err(Refusal::usage(format!("expected <role id> [{between}] [user|group] <username/group>"))),
    }
}

fn whom(call: &mut Call<'_>, kind: Option<&str>, name: &str) -> Done<Element> {
    if let Some(kind) = kind {
        return need(call, kind, name);
    }
    match find(&call.cib, "acl_target", name).or_else(|| find(&call.cib, "acl_group", name)) {
        Some(found) => Ok(found),
        None => call.fail(format!("ACL group/ACL user '{name}' does not exist")),
    }
}

fn assign(call: &mut Call<'_>) -> Done {
    let (role, kind, name) = role_and_whom(call, "to")?;
    need(call, "acl_role", &role)?;
    let who = whom(call, kind, &name)?;
    if call.cib.children_named(who, "role").any(|one| call.cib.id(one) == role) {
        return call.fail(format!("Role '{role}' is already assigned to '{name}'"));
    }
    let one = call.cib.append(who, "role");
    call.cib.set(one, "id", &role);
    Ok(())
}

fn unassign(call: &mut Call<'_>) -> Done {
    let (role, kind, name) = role_and_whom(call, "from")?;
    let who = whom(call, kind, &name)?;
    let found = call.cib.children_named(who, "role").find(|one| call.cib.id(*one) == role);
    let Some(found) = found else {
        return call.fail(format!("Role '{role}' is not assigned to '{name}'"));
    };
    call.cib.remove(found);
    remove_if_bare(call, Some(who));
    Ok(())
}

fn who_create(call: &mut Call<'_>, kind: &str) -> Done {
    let name = call.next(if kind == "acl_target" { "a username" } else { "a group" })?;
    let roles = std::mem::take(&mut call.words);
    pairs::unique(&roles)?;
    // A user may be called like anything else; a group has an id like other elements.
    let taken = match kind {
        "acl_target" => find(&call.cib, kind, &name).is_some(),
        _ => tree::is_taken(&call.cib, &name),
    };
    if taken {
        return call.fail(format!("'{name}' already exists"));
    }
    if kind == "acl_group"
        && let Some(wrong) = tree::wrong_id(&name, "ACL group")
    {
        return call.fail(wrong);
    }
    for role in &roles {
        if find(&call.cib, "acl_role", role).is_none() {
            call.error(format!("ACL role '{role}' does not exist"));
        }
    }
    call.settled()?;
    let section = tree::section(&mut call.cib, "acls");
    let who = call.cib.append(section, kind);
    call.cib.set(who, "id", &name);
    for role in roles {
        let one = call.cib.append(who, "role");
        call.cib.set(one, "id", &role);
    }
    Ok(())
}

fn who_delete(call: &mut Call<'_>, kind: &str) -> Done {
    let name = call.next("a name")?;
    call.no_more()?;
    let who = need(call, kind, &name)?;
    call.cib.remove(who);
    Ok(())
}

fn permission_add(call: &mut Call<'_>) -> Done {
    let id = call.next("a role id")?;
    let permissions = permissions(&call.words)?;
    if permissions.is_empty() {
        return Err(Refusal::usage("expected (read | write | deny) (xpath <query> | id <id>)"));
    }
    check_permissions(call, &permissions)?;
    let role = match find(&call.cib, "acl_role", &id) {
        Some(role) => role,
        None => {
            tree::check_new_id(call, &id, "ACL role")?;
            new_role(call, &id)
        }
    };
    write_permissions(call, role, &permissions);
    Ok(())
}

fn permission_delete(call: &mut Call<'_>) -> Done {
    let id = call.next("a permission id")?;
    call.no_more()?;
    let permission = need(call, "acl_permission", &id)?;
    call.cib.remove(permission);
    Ok(())
}
