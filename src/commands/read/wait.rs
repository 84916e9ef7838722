//! `SM.WAIT key ms state [state ...]`

use redis_state_core::{Machine, Outcome};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::reply_verdict;
use crate::config;
use crate::errors::CommandError;
use crate::server::blocking::{self, Wait as Blocking};
use crate::server::context::{Args, Context};
use crate::server::key::Keys;

/// Waits until a machine is in one of some states.
pub struct Wait;

impl Command for Wait {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let ms = options::milliseconds(arguments.required()?)?;
        let mut states = States(vec![arguments.required()?.bytes().into()]);
        while let Some(state) = arguments.optional() {
            states.0.push(state.bytes().into());
        }
        let key = keys.read::<Machine>(name)?;
        let Some(machine) = key.value() else {
            context.reply_null();
            return Ok(());
        };
        if states.has(machine) {
            reply_verdict(context, &machine.verdict(Outcome::Reached));
            return Ok(());
        }
        if context.may_block() {
            let most = config::max_waiters();
            if blocking::waiters() >= most {
                return Err(CommandError::Waiters(most));
            }
            if blocking::block(context, name, ms, states) {
                return Ok(());
            }
        }
        reply_verdict(context, &machine.verdict(Outcome::Waited));
        Ok(())
    }
}

/// The names of the states that end the wait. Names, because the machine may get another definition.
struct States(Vec<Box<[u8]>>);

impl States {
    fn has(&self, machine: &Machine) -> bool {
        let current = machine.current_name_bytes();
        self.0.iter().any(|state| **state == *current)
    }
}

impl Blocking for States {
    fn look<'a>(&self, context: Context<'a>, keys: Keys<'a>, args: Args<'a>) -> bool {
        with_machine(context, keys, args, |machine| {
            let is_over = self.has(machine);
            if is_over {
                reply_verdict(context, &machine.verdict(Outcome::Reached));
            }
            is_over
        })
    }

    fn give_up<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>) {
        with_machine(context, keys, args, |machine| {
            reply_verdict(context, &machine.verdict(Outcome::Waited));
            true
        });
    }
}

/// Shows the machine that somebody waits for. Replies if there is none any more, which ends the wait.
fn with_machine<'a>(
    context: Context<'a>,
    mut keys: Keys<'a>,
    args: Args<'a>,
    show: impl FnOnce(&Machine) -> bool,
) -> bool {
    let Some(name) = args.get(1) else {
        return false;
    };
    match keys.look_at::<Machine>(name) {
        Ok(key) => match key.value() {
            Some(machine) => return show(machine),
            None => context.reply_null(),
        },
        Err(wrong_type) => {
            let why = CommandError::from(wrong_type);
            context.reply_error(&format!("{} {why}", why.code()));
        }
    }
    true
}
