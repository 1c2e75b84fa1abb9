//! The notification channel.

use super::*;

impl Engine {
    pub(super) fn unlink(&mut self) {
        self.stop_waiting();
        self.pull.whole = false;
        if self.link.open.take().is_some() {
            self.effect(Effect::Unlisten);
        }
        if std::mem::take(&mut self.link.ready) {
            self.shown.status = true;
        }
    }

    pub(in crate::core) fn noticed(&mut self, listen: u64, notice: Notice) {
        if self.link.open != Some(listen) {
            return;
        }
        match notice {
            Notice::Ready => {
                self.link.ready = true;
                self.link.since = self.now.mono;
                self.pull.whole = false;
                self.reached();
                // What came while the channel was down said nothing.
                self.ask_pull(0);
            }
            Notice::Push(text) => self.pushed(&text),
            Notice::Notify {
                spread,
                conversations,
            } => {
                let delay = if spread == 0 {
                    0
                } else {
                    self.random(u64::from(spread))
                };
                self.ask_pull_of(delay, conversations);
            }
            Notice::Closed(error) => {
                self.link.open = None;
                self.pull.whole = false;
                // One that was up for a while begins anew; one that flaps is backed off from.
                let lasted = self.now.mono.saturating_sub(self.link.since) > LASTING;
                if std::mem::take(&mut self.link.ready) && lasted {
                    self.link.failures = 0;
                }
                self.link.failures += 1;
                let wait = self.backoff(self.link.failures - 1, RETRY.0, RETRY.1);
                let after = error.as_ref().and_then(|e| e.retry_after).unwrap_or(0);
                self.link.retry = self.now.mono + wait.max(after);
                if let Some(error) = error {
                    self.log(
                        "debug",
                        &format!("the notification channel is closed: {error}"),
                    );
                    if error.code == ErrorCode::Unauthorized {
                        self.unauthorized(error);
                    }
                }
            }
        }
    }
}
