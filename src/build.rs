//! Turns `commands.json` into Rust constants, so that what the server is told and what the file
//! says cannot differ. A mistake in the file fails the build with the command's name.

#![expect(
    clippy::expect_used,
    reason = "a build script says what is wrong by failing"
)]

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

type Object = Map<String, Value>;

fn main() {
    println!("cargo::rerun-if-changed=commands.json");
    println!("cargo::rerun-if-changed=src/build.rs");
    let text = std::fs::read_to_string("commands.json").expect("commands.json beside Cargo.toml");
    let commands: Object = serde_json::from_str(&text).expect("commands.json is an object");
    let mut out = String::from("&[\n");
    for (name, command) in &commands {
        let command = command.as_object();
        write_command(
            name,
            command.unwrap_or_else(|| panic!("{name} is not an object")),
            &mut out,
        );
    }
    out.push_str("]\n");
    let target = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&target).join("commands.rs"), out).expect("OUT_DIR is writable");
}

fn write_command(name: &str, command: &Object, out: &mut String) {
    let known = [
        "summary",
        "complexity",
        "since",
        "arity",
        "flags",
        "acl_categories",
        "key_flags",
        "arguments",
        "history",
    ];
    for field in command.keys() {
        assert!(
            known.contains(&field.as_str()),
            "{name}: unknown field {field}"
        );
    }
    let arity = command["arity"]
        .as_i64()
        .unwrap_or_else(|| panic!("{name}: arity"));
    let _ = writeln!(
        out,
        "CommandSpec {{ name: c{name:?}, summary: c{:?}, complexity: c{:?}, since: c{:?}, \
         arity: {arity}, flags: c{:?}, acl_categories: &{:?}, key_flags: &{:?}, history: &[{}], \
         arguments: &[{}] }},",
        text(name, command, "summary"),
        text(name, command, "complexity"),
        text(name, command, "since"),
        words(command, "flags").join(" "),
        words(command, "acl_categories"),
        words(command, "key_flags"),
        history(name, command),
        arguments(name, command),
    );
}

fn history(command: &str, object: &Object) -> String {
    let entries = object.get("history").and_then(Value::as_array);
    let entry = |entry: &Value| {
        let part = |at: usize| {
            entry[at]
                .as_str()
                .unwrap_or_else(|| panic!("{command}: history is [since, changes]"))
        };
        format!("(c{:?}, c{:?}),", part(0), part(1))
    };
    entries.into_iter().flatten().map(entry).collect()
}

fn arguments(command: &str, object: &Object) -> String {
    let list = object.get("arguments").and_then(Value::as_array);
    let argument = |argument: &Value| {
        let argument = argument
            .as_object()
            .unwrap_or_else(|| panic!("{command}: argument"));
        let kind = match text(command, argument, "type") {
            "key" => "Key",
            "string" => "String",
            "pure-token" => "PureToken",
            "oneof" => "OneOf",
            "block" => "Block",
            other => panic!("{command}: unknown argument type {other}"),
        };
        let optional = argument
            .get("optional")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        format!(
            "ArgumentSpec {{ name: c{:?}, kind: ArgumentKind::{kind}, token: {}, summary: {}, \
             optional: {optional}, arguments: &[{}] }},",
            text(command, argument, "name"),
            maybe(argument, "token"),
            maybe(argument, "summary"),
            arguments(command, argument),
        )
    };
    list.into_iter().flatten().map(argument).collect()
}

fn text<'a>(command: &str, object: &'a Object, field: &str) -> &'a str {
    let value = object.get(field).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("{command}: {field} is missing or not a string"))
}

fn maybe(object: &Object, field: &str) -> String {
    let value = object.get(field).and_then(Value::as_str);
    value.map_or("None".into(), |value| format!("Some(c{value:?})"))
}

fn words<'a>(object: &'a Object, field: &str) -> Vec<&'a str> {
    let list = object.get(field).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
