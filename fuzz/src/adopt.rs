//! The model of a machine that nobody saw come about: what it says of itself is believed.

use redis_state_core::{Machine, Rules};

use crate::model::Model;
use crate::model::life::{Entry, Known, Life};
use crate::model::played::shown;

/// Returns the model of the machine's definition, state and reason.
///
/// A document says it, except for two things. It can name an unlisted state only as the current one,
/// and it cannot say that the current state is the nameless one.
pub fn model(machine: &Machine) -> Model {
    let definition = machine.definition();
    let nameless = machine.current_name_bytes().is_empty();
    let named = match nameless {
        true => definition.initial(),
        false => machine.current(),
    };
    let told = machine.in_state(definition.unlisted_state().unwrap_or(named));
    let json = told.render(Rules::Documented);
    let mut model = Model::read(&json, None, Rules::Replayed).expect("written, so read");
    machine.current_name().clone_into(&mut model.current);
    model
}

/// Returns the life of the machine.
pub fn life(machine: &Machine) -> Life {
    let mut history: Vec<Entry> = machine.history().map(shown).collect();
    history.reverse();
    Life {
        model: model(machine),
        version: machine.version(),
        since: machine.since(),
        due: machine.deadline().map(|due| (due.at, due.is_given)),
        ids: machine.digest_parts(|parts| ids(machine, parts[4])),
        history,
    }
}

/// Reads the request IDs as `docs/format.md` describes them. They were checked.
fn ids(machine: &Machine, mut bytes: &[u8]) -> Vec<Known> {
    let mut all = Vec::new();
    while let Some(kind) = bytes.split_off_first() {
        let token = take_text(&mut bytes);
        let word = ["fire", "move", "force", "new", "redefine"][usize::from(kind & 7)];
        let mut request = vec![word.to_owned()];
        if kind & 7 < 3 {
            request.push(take_name(&mut bytes, machine, kind & 7 == 0));
        }
        if kind & 8 != 0 {
            request.push(take_name(&mut bytes, machine, false));
        }
        all.push(Known {
            token,
            request,
            state: take_name(&mut bytes, machine, false),
            version: take_varint(&mut bytes),
        });
    }
    all
}

fn take_varint(bytes: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = *bytes.split_off_first().expect("the rest of a number");
        number |= u32::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return number;
        }
    }
}

fn take(bytes: &mut &[u8], length: usize) -> String {
    let text = bytes.split_off(..length).expect("the rest of a text");
    String::from_utf8(text.to_vec()).expect("text")
}

fn take_text(bytes: &mut &[u8]) -> String {
    let length = take_varint(bytes) as usize;
    take(bytes, length)
}

fn take_name(bytes: &mut &[u8], machine: &Machine, is_event: bool) -> String {
    let (definition, head) = (machine.definition(), take_varint(bytes));
    if head & 1 == 1 {
        return take(bytes, (head >> 1) as usize);
    }
    let name = match is_event {
        true => definition.event_name_bytes(head >> 1),
        false => definition.name_bytes(head >> 1),
    };
    String::from_utf8(name.to_vec()).expect("names are text")
}
