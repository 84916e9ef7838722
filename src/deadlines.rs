//! When machines' timers are due, and the alarm that fires them.
//!
//! The truth is in the machines. The index here holds hints: which keys to look at, and when. Each
//! command that changes a machine settles its hint; loads, copies and deletions come in by the data
//! type, and what happens to whole databases by the server's events. RENAME and MOVE tell nobody where
//! a machine went: its hint is lost then, and heals when a command changes the machine, or by a walk
//! over the keys, which begins when hints are lost.
//!
//! Only the main thread gets here, except by [`forget`]: the server frees values in the background.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis_state_core::{Deadlines, Handle, Machine, pause_ms};

use crate::config;
use crate::server::alarm::{self, Alarm};
use crate::server::context::{Context, Refusal, Str};
use crate::server::data_events::DataEvent;
use crate::server::scan::Cursor;
use crate::server::value_type::Place;
use crate::stats;

/// The longest that one alarm works.
const SLICE: Duration = Duration::from_millis(1);
/// The pause between two alarms if there is more to do: with the slice, a quarter of the time.
const BUSY_MS: u64 = 3;
/// The pause before a walk, once a hint is lost.
const LOST_MS: u64 = 10;
/// The pause while nothing may be written: on a replica, and while clients are paused.
const WAITING_MS: u64 = 100;
/// The longest pause. The server's alarms go by the wall clock, which may jump.
const IDLE_MS: u64 = 1000;
/// How many steps a walk makes before it looks at the clock.
const STEPS_AT_ONCE: usize = 50;
/// The shortest pause after a walk that left hints lost.
const WALK_PAUSE: Duration = Duration::from_millis(100);
/// How many times as long as the walk the pause is, after one that healed something, and after one
/// that didn't.
const WALK_PAUSES: [u32; 2] = [1, 8];

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct State {
    index: Deadlines,
    /// That of data which are being loaded beside the present ones.
    aside: Option<Deadlines>,
    /// The alarm, and when it goes off, in ms since 1970.
    alarm: Option<(Alarm, u64)>,
    /// Whether an alarm is at work. It sets the next one at its end.
    is_at_work: bool,
    /// How many alarms in a row ended because the server takes no writes.
    refusals: u8,
    walk: Walk,
}

/// The walk over all keys that looks for machines whose hints are lost.
#[derive(Default)]
struct Walk {
    /// The database, and where in it.
    at: Option<(i32, Cursor)>,
    /// When it began.
    begun: Option<Instant>,
    /// Whether it has healed a hint.
    has_healed: bool,
    /// When the next may begin.
    next: Option<Instant>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Brings the hint of a machine up to date with its deadline. `before` is the hint that it had before
/// it changed.
#[inline]
pub fn settle(context: Context<'_>, name: Str<'_>, machine: &mut Machine, before: Option<Handle>) {
    if before.is_some() || machine.deadline().is_some() {
        let place = Place {
            database: context.database(),
            key: name.bytes(),
        };
        let now = context.now();
        let mut state = state();
        state.settle(place, machine, before);
        state.set_alarm(now);
    }
}

/// Adds the hint of a machine that was loaded or copied.
pub fn add(place: Place<'_>, machine: &mut Machine, now: u64) {
    let Some(deadline) = machine.deadline() else {
        return;
    };
    let mut state = state();
    let index = match &mut state.aside {
        Some(aside) => aside,
        None => &mut state.index,
    };
    let handle = index.insert(place.database, place.key, deadline.at);
    machine.set_deadline_handle(Some(handle));
    state.set_alarm(now);
}

/// Notes that a machine has left its name. Most are freed next, so the walk that looks for the others
/// doesn't begin at once.
pub fn lose(machine: &Machine, now: u64) {
    if let Some(handle) = machine.deadline_handle() {
        let mut state = state();
        state.index.lose(handle);
        state.set_next_alarm(now, LOST_MS);
    }
}

/// Removes the hint of a machine that goes. On whichever thread.
pub fn forget(machine: &Machine) {
    if let Some(handle) = machine.deadline_handle() {
        state().remove(handle);
    }
}

/// Follows what happens to whole databases.
pub fn on_data_event(event: DataEvent, now: u64) {
    let mut state = state();
    match event {
        DataEvent::Flushed(None) => state.index.clear(),
        // Each machine of that database is freed, and its hint removed.
        DataEvent::Flushed(Some(_)) => {}
        DataEvent::Swapped(one, other) => state.index.swap(one, other),
        DataEvent::AsideBegun => state.aside = Some(Deadlines::default()),
        DataEvent::AsideDone => {
            if let Some(aside) = state.aside.take() {
                state.index = aside;
                state.walk = Walk::default();
                state.set_alarm(now);
            }
        }
        DataEvent::AsideAborted => state.aside = None,
    }
}

/// What INFO shows.
pub struct Figures {
    /// Timers that are going.
    pub pending: usize,
    /// Those of machines that were renamed or moved and were not met since.
    pub lost: usize,
}

/// Returns what INFO shows.
pub fn figures() -> Figures {
    let state = state();
    Figures {
        pending: state.index.len(),
        lost: state.index.lost(),
    }
}

/// Sets the alarm anew if it is too far away, because the wall clock was set back. The server calls
/// this some times a second.
pub fn watch(now: u64) {
    let mut state = state();
    if state
        .alarm
        .as_ref()
        .is_some_and(|&(_, set)| set > now + 2 * IDLE_MS)
    {
        state.set_alarm(now);
    }
}

/// Notes that a timer fired so many ms after it was due.
pub fn note_fired(late_ms: u64) {
    stats::TIMERS_FIRED.increment();
    stats::TIMERS_LATE.note(late_ms);
}

/// Fires what is due, looks for what is lost, and sets the next alarm. The server calls this.
pub fn on_alarm(context: Context<'_>) {
    let begin = Instant::now();
    let mut work = AlarmWork::begin(context);
    if !config::fires_timers() {
        work.pause = IDLE_MS;
    } else if !context.may_write_now() {
        work.pause = WAITING_MS;
    } else {
        if fire(context, begin) == Err(Refusal::OfAllKeys) {
            work.pause = state().next_refusal_pause();
        }
        walk(context, begin);
    }
}

/// The work of one alarm. At its end, also by a panic, the next one is set.
struct AlarmWork<'a> {
    context: Context<'a>,
    /// The pause until the next one, at least, in ms.
    pause: u64,
}

impl<'a> AlarmWork<'a> {
    fn begin(context: Context<'a>) -> Self {
        let mut state = state();
        // It has gone off: the server frees it after this call, so nobody may call it off.
        state.alarm = None;
        state.is_at_work = true;
        Self {
            context,
            pause: BUSY_MS,
        }
    }
}

impl Drop for AlarmWork<'_> {
    fn drop(&mut self) {
        let now = self.context.now();
        let mut state = state();
        state.is_at_work = false;
        state.set_next_alarm(now, self.pause);
    }
}

/// Fires timers until none is due, the time is over, or the server takes no writes.
fn fire(context: Context<'_>, begin: Instant) -> Result<(), Refusal> {
    let mut name = Vec::new();
    while begin.elapsed() < SLICE {
        let (handle, database) = {
            let mut state = state();
            let now = context.now();
            let Some(due) = state.index.first_due(now) else {
                return Ok(());
            };
            name.clear();
            name.extend_from_slice(due.name);
            let (handle, database) = (due.handle, due.database);
            // The command brings the hint up to date. If it is refused, the hint has its pause.
            state.index.postpone(handle, now);
            (handle, database)
        };
        let called = match context.select(database) {
            true => context.call_on_key(c"SM.TIMEOUT", &name),
            false => Err(Refusal::OfThisKey),
        };
        if let Err(why) = called {
            stats::TIMERS_REFUSED.increment();
            match why {
                Refusal::OfAllKeys => return called,
                Refusal::OfThisKey => continue,
            }
        }
        let mut state = state();
        state.refusals = 0;
        if state.index.is_postponed(handle) {
            // The key doesn't have that machine any more.
            state.index.remove(handle);
        }
    }
    Ok(())
}

/// Goes on with the walk over all keys, if hints are lost, until the time is over.
fn walk(context: Context<'_>, begin: Instant) {
    let mut walk = {
        let mut state = state();
        if state.index.lost() == 0 || state.walk.next.is_some_and(|next| next > begin) {
            return;
        }
        std::mem::take(&mut state.walk)
    };
    let mut is_over = false;
    while !is_over && begin.elapsed() < SLICE {
        is_over = walk.go_on(context);
    }
    if is_over {
        walk = walk.next();
    }
    let mut state = state();
    if state.index.lost() == 0 {
        walk = Walk::default();
    }
    state.walk = walk;
}

impl Walk {
    /// Makes some steps. Returns whether the walk is over.
    fn go_on(&mut self, context: Context<'_>) -> bool {
        self.begun.get_or_insert_with(Instant::now);
        let (database, cursor) = self.at.get_or_insert_with(|| (0, Cursor::new()));
        if !context.select(*database) {
            return true;
        }
        let mut heal = |key: &[u8], machine: &mut Machine| {
            if let Some(handle) = machine.deadline_handle()
                && state().index.heal(handle, *database, key)
            {
                stats::TIMERS_HEALED.increment();
                self.has_healed = true;
            }
        };
        for _ in 0..STEPS_AT_ONCE {
            if !cursor.step(context, &mut heal) {
                self.at = Some((*database + 1, Cursor::new()));
                break;
            }
        }
        false
    }
}

impl State {
    fn settle(&mut self, place: Place<'_>, machine: &mut Machine, before: Option<Handle>) {
        let Some(deadline) = machine.deadline() else {
            machine.set_deadline_handle(None);
            before.inspect(|&handle| self.remove(handle));
            return;
        };
        let kept = before.filter(|&handle| self.index.change(handle, deadline.at));
        if let Some(handle) = kept {
            if self.index.heal(handle, place.database, place.key) {
                stats::TIMERS_HEALED.increment();
            }
            machine.set_deadline_handle(kept);
            return;
        }
        before.inspect(|&handle| self.remove(handle));
        let handle = self.index.insert(place.database, place.key, deadline.at);
        machine.set_deadline_handle(Some(handle));
    }

    /// Returns the pause, in ms, after an alarm that could not write.
    fn next_refusal_pause(&mut self) -> u64 {
        let pause = pause_ms(self.refusals);
        self.refusals = self.refusals.saturating_add(1);
        pause
    }

    fn remove(&mut self, handle: Handle) {
        if !self.index.remove(handle)
            && let Some(aside) = &mut self.aside
        {
            aside.remove(handle);
        }
    }

    /// Sets the alarm for the first deadline, unless there is one for an earlier moment.
    fn set_alarm(&mut self, now: u64) {
        self.set_next_alarm(now, 1);
    }

    /// The same, but at least `least` ms from now.
    fn set_next_alarm(&mut self, now: u64, least: u64) {
        if self.is_at_work {
            return;
        }
        let first = self.index.first().map(|first| first.saturating_sub(now));
        let lost = (self.index.lost() > 0).then(|| self.walk.pause_left());
        let Some(wanted) = first.into_iter().chain(lost).min() else {
            return;
        };
        let pause = wanted.clamp(least, IDLE_MS);
        let at = now + pause;
        if self
            .alarm
            .as_ref()
            .is_some_and(|&(_, set)| set <= at && set + IDLE_MS > now)
        {
            return;
        }
        if let Some((alarm, _)) = self.alarm.take() {
            alarm.cancel();
        }
        let pause = u32::try_from(pause).unwrap_or(u32::MAX);
        self.alarm = alarm::set(pause).map(|alarm| (alarm, at));
    }
}

impl Walk {
    /// Returns the walk after one that is over.
    fn next(self) -> Self {
        let now = Instant::now();
        let took = self.begun.map_or(Duration::ZERO, |begun| now - begun);
        let times = WALK_PAUSES[usize::from(!self.has_healed)];
        Self {
            next: Some(now + WALK_PAUSE.max(took * times)),
            ..Self::default()
        }
    }

    /// Returns how long until the next walk may begin, in ms.
    fn pause_left(&self) -> u64 {
        let left = self
            .next
            .map(|next| next.saturating_duration_since(Instant::now()));
        left.map_or(0, |left| {
            u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
        })
    }
}
