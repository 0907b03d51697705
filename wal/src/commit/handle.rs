//! Stands for a batch that was queued: to be waited for by a thread or by a task, or let go.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use base::Sequence;

use super::turn::Answer;
use crate::{Error, Result};

/// What a handle asks the commit path.
pub(crate) trait Answers: Send + Sync {
    /// Waits until a number is reached or never will be, and works for that.
    fn wait(&self, number: u64) -> Answer;
    /// Asks for a number, and wakes the task later.
    fn poll(&self, number: u64, waker: &Waker) -> Option<Answer>;
    /// What became of a number, if that is known.
    fn answer(&self, number: u64) -> Option<Answer>;
    /// Has somebody work for those whom nobody is blocked on.
    fn poke(&self);
    /// Why a batch was not acknowledged.
    fn failure_of(&self, sequence: Sequence) -> Error;
}

/// A batch that has a number, and is on its way.
///
/// [`wait`](Commit::wait) blocks the thread, and lets it write and sync if nobody else is at it.
/// Awaited, it needs no particular runtime, and the log's background thread does the work. Dropped,
/// the batch is written all the same. Held and left alone, it is written with the next one that somebody
/// waits for.
#[must_use = "a batch that nobody waits for is committed, but nobody knows when"]
pub struct Commit {
    answers: Arc<dyn Answers>,
    sequence: Sequence,
}

impl Commit {
    pub(crate) fn new(answers: Arc<dyn Answers>, sequence: Sequence) -> Self {
        Commit { answers, sequence }
    }

    /// The batch's number.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Waits until the batch has reached its level and is visible.
    ///
    /// # Errors
    /// [`Error::Unknown`] if writing or syncing failed under way; [`Error::Stopped`] if it had failed
    /// before: then the batch is not in the log.
    pub fn wait(self) -> Result<Sequence> {
        let answer = self.answers.wait(self.sequence.get());
        self.result(answer)
    }

    fn result(&self, answer: Answer) -> Result<Sequence> {
        match answer {
            Answer::Reached => Ok(self.sequence),
            Answer::Over => Err(self.answers.failure_of(self.sequence)),
        }
    }
}

impl Future for Commit {
    type Output = Result<Sequence>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.answers.poll(self.sequence.get(), context.waker()) {
            Some(answer) => Poll::Ready(self.result(answer)),
            None => {
                self.answers.poke();
                Poll::Pending
            }
        }
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        if self.answers.answer(self.sequence.get()).is_none() {
            self.answers.poke();
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
