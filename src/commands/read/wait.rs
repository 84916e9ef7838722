//! `SM.WAIT key ms state [state ...]`

use redis_state_core::{Machine, Outcome};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::reply_verdict;
use crate::config;
use crate::errors::CommandError;
use crate::server::blocking::{self, Wait as Blocking};
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::strings::Args;

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
        arguments.required()?;
        let states = States(arguments.all());
        let key = keys.read::<Machine>(name)?;
        let Some(machine) = key.value() else {
            context.reply_null();
            return Ok(());
        };
        if !states.has(machine) && context.may_block() {
            let most = config::max_waiters();
            if blocking::waiters() >= most {
                return Err(CommandError::Waiters(most));
            }
            if blocking::block::<States>(context, name, ms) {
                return Ok(());
            }
        }
        states.reply(context, machine);
        Ok(())
    }
}

/// The states that end the wait: the arguments from the fourth on. They are names, because the machine
/// may get another definition.
#[derive(Clone, Copy)]
struct States<'a>(Args<'a>);

impl States<'_> {
    fn has(self, machine: &Machine) -> bool {
        let current = machine.current_name_bytes();
        (3..self.0.len()).any(|index| {
            let state = self.0.get(index);
            state.is_some_and(|state| state.bytes() == current)
        })
    }

    /// Replies where the machine is.
    fn reply(self, context: Context<'_>, machine: &Machine) {
        let outcome = match self.has(machine) {
            true => Outcome::Reached,
            false => Outcome::Waited,
        };
        reply_verdict(context, &machine.verdict(outcome));
    }
}

impl Blocking for States<'_> {
    fn look<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>) -> bool {
        with_machine(context, keys, args, |machine| {
            let states = States(args);
            let is_over = states.has(machine);
            if is_over {
                states.reply(context, machine);
            }
            is_over
        })
    }

    fn give_up<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>) {
        with_machine(context, keys, args, |machine| {
            States(args).reply(context, machine);
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
