//! The host's side of one connection: greeting, ping, audit, run.

use std::time::{Duration, Instant};

use super::address::Address;
use super::checks::{self, Greeting, Ledger};
use super::protocol::{
    Answer, Ask, Audited, Call as CallFrame, MAX_AUDIT_FRAME, MAX_FRAME, MAX_SMALL_FRAME, Pong, Ran, Refusal,
    Reply as ReplyFrame, run_frame,
};
use super::wire::{Result, Wire, WireError, decode};
use crate::object::{Fault, Json, Source};
use crate::sandbox::{AUDIT, Audit, Call, Reply, Run, Sends};

/// To connect and be greeted, and to answer a ping.
const SHORT: Duration = Duration::from_secs(3);
/// What a call may take beyond its own limit.
const GRACE: Duration = Duration::from_secs(3);

/// A connection that was greeted and waits for a call.
pub struct Connection {
    wire: Wire,
}

impl Connection {
    pub fn open(address: &Address) -> Result<(Self, Greeting)> {
        let mut wire = Wire::new(address.connect(SHORT)?, SHORT);
        wire.ask(address)?;
        let welcome = wire.receive(MAX_SMALL_FRAME)?;
        let greeting = checks::greeting(decode(&welcome)?).map_err(WireError::Violation)?;
        Ok((Self { wire }, greeting))
    }

    pub fn ping(&mut self) -> Result<()> {
        self.wire.within(SHORT);
        self.wire.send(&Ask::Ping, MAX_SMALL_FRAME)?;
        let frame = self.wire.receive(MAX_SMALL_FRAME)?;
        decode::<Pong>(&frame).map(|Pong| ())
    }

    pub fn audit(&mut self, source: &Source) -> Result<Result<Audit, Fault>> {
        self.wire.within(Duration::from_millis(AUDIT.wall_ms) + GRACE);
        self.wire.send(&Ask::Audit(source.as_str()), MAX_FRAME)?;
        let frame = self.wire.receive(MAX_AUDIT_FRAME)?;
        checks::audit(decode::<Audited>(&frame)?).map_err(WireError::Violation)
    }

    /// `answered` becomes true with the first send. [`WireError::Closed`] comes only before it.
    pub fn run(&mut self, call: &Call, sends: &mut dyn Sends, answered: &mut bool) -> Result<Run> {
        let limit = Duration::from_millis(call.quota.wall_ms) + GRACE;
        let begun = Instant::now();
        // The sandbox's time: while a send is answered it waits.
        let mut left = limit;
        self.wire.within(left);
        self.wire.send(&Ask::Run(frame(call)), MAX_FRAME)?;
        let mut ledger = Ledger::new(call.quota);
        loop {
            let waiting = Instant::now();
            self.wire.within(left);
            let frame = self.wire.receive(run_frame(&call.quota)).map_err(|error| match error {
                // It was there a moment ago.
                WireError::Closed if *answered => WireError::Lost(error.to_string()),
                error => error,
            })?;
            left = left.saturating_sub(waiting.elapsed());
            let asked = match decode::<Ran>(&frame)? {
                Ran::Ended(ended) => return ledger.end(ended).map_err(WireError::Violation),
                Ran::Sent(asked) => asked,
            };
            drop(frame);
            let Some(time) = limit.checked_sub(begun.elapsed()) else {
                return Err(WireError::Lost("it let a method send after its time".to_owned()));
            };
            let send = ledger.send(asked, time).map_err(WireError::Violation)?;
            *answered = true;
            let reply = sends.send(send);
            ledger.replied(reply.as_ref());
            self.wire.within(left);
            self.wire
                .send(&answer(reply.as_ref()), MAX_FRAME)
                .map_err(|error| WireError::Lost(error.to_string()))?;
        }
    }
}

fn frame(call: &Call) -> CallFrame<'_> {
    CallFrame {
        receiver: call.receiver.as_str(),
        method: call.method.as_str(),
        source: call.source.as_str(),
        attributes: call.attributes.get(),
        inherited: call.inherited.get(),
        args: call.args.get(),
        kwargs: call.kwargs.get(),
        seed: call.seed,
        time: call.time.0,
        quota: call.quota,
    }
}

fn answer(reply: Option<&Reply>) -> Answer<'_> {
    Answer(reply.map(|reply| ReplyFrame {
        result: match &reply.result {
            Ok(json) => Ok(json.get()),
            Err(fault) => Err(Refusal { kind: fault.kind, message: &fault.message }),
        },
        attributes: reply.attributes.as_ref().map(Json::get),
        fuel_used: reply.fuel_used,
    }))
}
