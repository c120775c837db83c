//! Every bound of Slack, with its unit and reason.

use std::time::Duration;

/// Characters of a header, and of a button or a choice, that Slack takes (docs.slack.dev/reference/block-kit).
pub const TITLE: usize = 150;
/// See [`TITLE`].
pub const CHOICE: usize = 75;

/// Characters of a field, and fields of a section.
pub const FIELD: usize = 2000;
/// See [`FIELD`].
pub const FIELDS: usize = 10;

/// Characters of other text.
pub const TEXT: usize = 3000;

/// Characters of a comment that can be typed, as in Teams.
pub const COMMENT: usize = 300;

/// Fields of a form that are looked at: a slash command has 16.
pub const FORM: usize = 50;

/// A call is answered within this, whatever came of it by then: Slack waits for 3 s.
pub const ANSWERED: Duration = Duration::from_secs(2);

/// Clicks and words of which is done at once what they ask.
pub const AT_ONCE: usize = 32;

/// And that are answered at once after that, beside messages: each a few lines, which Slack can take a minute to take.
pub const REPLIES: usize = 32;

/// An answer that was not taken is sent again so often, after so long: who waits for it clicks again by then.
pub const REPLY_TRIES: u32 = 3;
/// See [`REPLY_TRIES`].
pub const REPLY_AGAIN: Duration = Duration::from_secs(1);
