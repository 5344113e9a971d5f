//! The course of a comparison in passes: what was handed over, up to where, and the walk through ranges that a pass can't
//! settle.
//!
//! After each part the caller is given how far the comparison came. A failure leaves it there: what came after is done again.

use super::caller::Caller;
use super::ranges::Walk;
use super::sides::Sides;
use crate::cursor::{Counts, KeyPlace, Position};
use crate::difference::Difference;
use crate::error::Error;
use crate::progress::Sink;

/// What comes next after something was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    /// The caller wants no more.
    Stopped,
    /// The table is at its end.
    Finished,
    /// A pass brought it no further: it has to go less far, or further, for that.
    NoFurther,
}

/// A comparison under way.
pub(crate) struct Course<'a, 'b, S, F> {
    pub(crate) sides: Sides<'a>,
    pub(crate) caller: Caller<'b, S, F>,
    /// What was handed over reaches to here.
    pub(crate) place: KeyPlace,
    /// What is done there, as an error says it.
    pub(crate) what: String,
}

impl<'a, 'b, S: Sink, F: Fn() -> bool + Send + Sync> Course<'a, 'b, S, F> {
    pub(crate) fn new(sides: Sides<'a>, caller: Caller<'b, S, F>, place: KeyPlace) -> Self {
        let what = sides.comparing(place.key.as_ref());
        Self { sides, caller, place, what }
    }

    /// Hands over what was found up to `place`, behind so many `rows`; without a place, up to the end of the table.
    pub(crate) async fn hand_over(
        &mut self,
        place: Option<KeyPlace>,
        rows: Counts,
        found: Vec<Difference>,
    ) -> Result<Next, Error> {
        let Some(place) = place else {
            self.caller.hand_over(rows, found, Position::End).await?;
            return Ok(Next::Finished);
        };
        let goes_on = self.caller.hand_over(rows, found, Position::AfterKey(place.clone())).await?;
        self.what = self.sides.comparing(place.key.as_ref());
        self.place = place;
        Ok(if goes_on && self.caller.wait(self.sides.target).await? { Next::Continue } else { Next::Stopped })
    }

    /// Walks through ranges whose rows are too many to be compared together, or not known. `before`: rows before them.
    pub(crate) async fn walk(&mut self, mut walk: Walk, mut before: Counts) -> Result<Next, Error> {
        while !walk.place.within.is_empty() {
            let size = self.sides.options.inspect_rows.max(1);
            let Some(piece) = walk.step(&mut self.sides, size).await? else { continue };
            let place = (!walk.is_finished).then(|| walk.place.clone());
            let mut rows = std::mem::take(&mut before);
            rows += piece.rows;
            let next = self.hand_over(place, rows, piece.differences).await?;
            if next != Next::Continue {
                return Ok(next);
            }
        }
        Ok(Next::Continue)
    }
}
