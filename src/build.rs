//! Turns `commands.json` into Rust constants, so that the file and the commands registered with the
//! server cannot differ. A mistake in the file fails the build with the command's name.

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
    let target = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(
        Path::new(&target).join("commands.rs"),
        table(&commands) + &descriptions(&commands),
    )
    .expect("OUT_DIR is writable");
}

/// Writes the table of all commands: for each one its description and its entry.
fn table(commands: &Object) -> String {
    let mut out = format!(
        "static COMMANDS: [(CommandSpec, Entry); {}] = [\n",
        commands.len()
    );
    for (name, command) in commands {
        out.push('(');
        write_command(name, object(name, command), &mut out);
        let _ = writeln!(out, "entry::<{}>),", path(name, object(name, command)));
    }
    out.push_str("];\n");
    out
}

/// Writes an `impl Described` for each command: its name, its largest number of arguments,
/// whether it writes, and since when it is there.
fn descriptions(commands: &Object) -> String {
    let description = |(name, command): (&String, &Value)| {
        let command = object(name, command);
        format!(
            "impl Described for {} {{ const NAME: &'static str = {name:?}; \
             const C_NAME: &'static std::ffi::CStr = c{name:?}; \
             const MAX_ARGUMENTS: usize = {}; const WRITES: bool = {}; \
             const SINCE: &'static str = {:?}; }}\n",
            path(name, command),
            max_arguments(command).saturating_add(1),
            writes(command),
            text(name, command, "since"),
        )
    };
    commands.iter().map(description).collect()
}

fn object<'a>(name: &str, value: &'a Value) -> &'a Object {
    value
        .as_object()
        .unwrap_or_else(|| panic!("{name} is not an object"))
}

/// Returns the path of a command's type: `SM.GET`, which reads, is `read::get::Get`.
fn path(name: &str, command: &Object) -> String {
    let folder = if writes(command) { "write" } else { "read" };
    let word = name.trim_start_matches("SM.").to_lowercase();
    let (first, rest) = word.split_at(1);
    // `move` is a keyword.
    format!("{folder}::r#{word}::{}{rest}", first.to_uppercase())
}

fn writes(command: &Object) -> bool {
    words(command, "flags").contains(&"write")
}

/// Returns the largest number of arguments inside a command or an argument.
fn max_arguments(object: &Object) -> usize {
    let list = object.get("arguments").and_then(Value::as_array);
    let arguments = list.into_iter().flatten().filter_map(Value::as_object);
    arguments.map(max_length).fold(0, usize::saturating_add)
}

/// Returns the largest number of words that one argument takes: its token and its value.
fn max_length(argument: &Object) -> usize {
    let kind = argument.get("type").and_then(Value::as_str);
    let inside = argument.get("arguments").and_then(Value::as_array);
    let choices = inside.into_iter().flatten().filter_map(Value::as_object);
    let token = usize::from(argument.contains_key("token"));
    if argument.contains_key("multiple") {
        return usize::MAX;
    }
    match kind {
        Some("pure-token") => 1,
        Some("oneof") => token + choices.map(max_length).max().unwrap_or(0),
        Some("block") => token + max_arguments(argument),
        _ => token + 1,
    }
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
        "second_key_flags",
        "arguments",
        "history",
        "tips",
    ];
    check_fields(name, command, &known);
    let arity = command["arity"]
        .as_i64()
        .unwrap_or_else(|| panic!("{name}: arity"));
    let max = max_arguments(command).saturating_add(1);
    assert!(
        arity < 0 || usize::try_from(arity) == Ok(max),
        "{name}: arity {arity}, but its arguments make {max}"
    );
    let _ = writeln!(
        out,
        "CommandSpec {{ name: c{name:?}, summary: c{:?}, complexity: c{:?}, since: c{:?}, \
         arity: {arity}, flags: c{:?}, acl_categories: &{:?}, key_flags: &[{}], history: &[{}], tips: c{:?}, \
         arguments: &[{}] }}, ",
        text(name, command, "summary"),
        text(name, command, "complexity"),
        text(name, command, "since"),
        words(command, "flags").join(" "),
        words(command, "acl_categories"),
        key_flags(command),
        history(name, command),
        words(command, "tips").join(" "),
        arguments(name, command),
    );
}

fn check_fields(name: &str, object: &Object, known: &[&str]) {
    for field in object.keys() {
        assert!(
            known.contains(&field.as_str()),
            "{name}: unknown field {field}"
        );
    }
}

/// Writes how each key is used, in the order of the keys.
fn key_flags(command: &Object) -> String {
    let fields = ["key_flags", "second_key_flags"];
    let keys = fields.iter().filter(|field| command.contains_key(**field));
    keys.map(|field| format!("&{:?},", words(command, field)))
        .collect()
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
        let known = [
            "name",
            "type",
            "token",
            "summary",
            "optional",
            "multiple",
            "arguments",
        ];
        check_fields(command, argument, &known);
        let kind = match text(command, argument, "type") {
            "key" => "Key",
            "string" => "String",
            "integer" => "Integer",
            "pure-token" => "PureToken",
            "oneof" => "OneOf",
            "block" => "Block",
            other => panic!("{command}: unknown argument type {other}"),
        };
        let is_true = |field| argument.get(field).and_then(Value::as_bool) == Some(true);
        let [optional, multiple] = ["optional", "multiple"].map(is_true);
        format!(
            "ArgumentSpec {{ name: c{:?}, kind: ArgumentKind::{kind}, token: {}, summary: {}, \
             optional: {optional}, multiple: {multiple}, arguments: &[{}] }},",
            text(command, argument, "name"),
            optional_text(argument, "token"),
            optional_text(argument, "summary"),
            arguments(command, argument),
        )
    };
    list.into_iter().flatten().map(argument).collect()
}

fn text<'a>(command: &str, object: &'a Object, field: &str) -> &'a str {
    let value = object.get(field).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("{command}: {field} is missing or not a string"))
}

fn optional_text(object: &Object, field: &str) -> String {
    let value = object.get(field).and_then(Value::as_str);
    value.map_or("None".into(), |value| format!("Some(c{value:?})"))
}

fn words<'a>(object: &'a Object, field: &str) -> Vec<&'a str> {
    let Some(list) = object.get(field) else {
        return Vec::new();
    };
    let list = list
        .as_array()
        .unwrap_or_else(|| panic!("{field} is not a list"));
    let word = |value: &'a Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{field} has something that is not a string"))
    };
    list.iter().map(word).collect()
}
