//! Reads a model from a document.

use std::collections::HashSet;

use redis_state_core::Rules;

use super::json::{Json, MAX_DEPTH};
use super::{Events, Model, New, Timer};

impl Model {
    /// Reads the machine of a document, if the document is one. `argument`, if given and not empty,
    /// wins over the document's current state. By the documented rules a current state is one of the
    /// others.
    pub fn read(text: &[u8], argument: Option<&[u8]>, rules: Rules) -> Option<Self> {
        let argument = std::str::from_utf8(argument.unwrap_or_default()).ok()?;
        let document = Json::read(text)?;
        if document.depth() > MAX_DEPTH {
            return None;
        }
        let is_old = rules == Rules::Legacy;
        let [mut current, mut initial, mut reason] = [None, None, None];
        let [mut map, mut any, mut after] = [None, None, None];
        let [mut history, mut revision] = [None, None];
        let mut name = None;
        for (field, value) in document.into_object()? {
            match field.as_str() {
                "current" => put(&mut current, value.into_string()?)?,
                "initial" => put(&mut initial, value.into_string()?)?,
                "reason" => put(&mut reason, value.into_string()?)?,
                "map" => put(&mut map, value.into_object()?)?,
                _ if is_old => {}
                "any" => put(&mut any, value.into_object()?)?,
                "after" => put(&mut after, value.into_object()?)?,
                "history" => put(&mut history, value.into_number(1..=255)?)?,
                "name" => put(&mut name, value.into_string()?)?,
                "revision" => put(&mut revision, value.into_number(0..=u32::MAX.into())?)?,
                _ => return None,
            }
        }
        let length = name.as_ref().map_or(1, String::len);
        if !(1..=256).contains(&length) || (revision.is_some() && name.is_none()) {
            return None;
        }
        let new = New {
            any: any_events(any.unwrap_or_default())?,
            after: timers(after.unwrap_or_default())?,
            history: history.unwrap_or(0) as u8,
            name: name.unwrap_or_default(),
            revision: revision.map(|revision| revision as u32),
        };
        let own = current.unwrap_or_default();
        let current = if argument.is_empty() { &own } else { argument };
        let (map, initial) = (rows(map?, is_old)?, initial?);
        let reason = reason.unwrap_or_default();
        let blank = Self::with_events(map.clone(), new.clone(), &initial, "", "");
        let is_listed = current.is_empty() || blank.states.iter().any(|name| name == current);
        if rules == Rules::Documented && !is_listed {
            return None;
        }
        let model = Self::with_events(map, new, &initial, current, &reason);
        let mut timed = model.new.after.iter();
        timed
            .all(|(state, _)| model.states.contains(state))
            .then_some(model)
    }
}

/// Sets a field that must not be set yet.
fn put<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Returns whether no name comes twice.
fn differ<'a>(names: impl IntoIterator<Item = &'a String>) -> bool {
    let mut seen = HashSet::new();
    names.into_iter().all(|name| seen.insert(name))
}

/// Reads the rows of a map. `None` if a key comes twice or a row is not one.
fn rows(map: Vec<(String, Json)>, is_old: bool) -> Option<Vec<(String, Events)>> {
    let row = |(key, value): (String, Json)| {
        let row = match value {
            Json::Object(entries) if !is_old => events(entries)?,
            other => vec![(String::new(), names(other)?)],
        };
        Some((key, row))
    };
    let rows: Vec<(String, Events)> = map.into_iter().map(row).collect::<Option<_>>()?;
    differ(rows.iter().map(|(key, _)| key)).then_some(rows)
}

fn names(list: Json) -> Option<Vec<String>> {
    list.into_array()?
        .into_iter()
        .map(Json::into_string)
        .collect()
}

/// Reads events and where they lead. `None` if one comes twice or repeats a target.
fn events(entries: Vec<(String, Json)>) -> Option<Events> {
    let entry = |(event, value): (String, Json)| {
        let targets = match value {
            Json::String(target) => vec![target],
            other => names(other)?,
        };
        differ(&targets).then_some((event, targets))
    };
    let events: Events = entries.into_iter().map(entry).collect::<Option<_>>()?;
    differ(events.iter().map(|(event, _)| event)).then_some(events)
}

/// Reads `any`, in which each event has a name and leads somewhere.
fn any_events(entries: Vec<(String, Json)>) -> Option<Events> {
    let events = events(entries)?;
    let is_sound =
        |(event, targets): &(String, Vec<String>)| !event.is_empty() && !targets.is_empty();
    events.iter().all(is_sound).then_some(events)
}

/// Reads `after`. `None` if a state comes twice or a timer is not one.
fn timers(entries: Vec<(String, Json)>) -> Option<Vec<(String, Timer)>> {
    let timer = |(state, value): (String, Json)| {
        let [mut ms, mut to] = [None, None];
        for (part, value) in value.into_object()? {
            match part.as_str() {
                "ms" => put(&mut ms, value)?,
                "to" => put(&mut to, value)?,
                _ => return None,
            }
        }
        let ms = match ms {
            None => None,
            Some(ms) => Some(ms.into_number(1..=(1 << 53) - 1)?),
        };
        let to = match to? {
            Json::Null => None,
            to => Some(to.into_string()?),
        };
        Some((state, (ms, to)))
    };
    let timers: Vec<_> = entries.into_iter().map(timer).collect::<Option<_>>()?;
    differ(timers.iter().map(|(state, _)| state)).then_some(timers)
}
