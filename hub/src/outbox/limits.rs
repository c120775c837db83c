//! Every bound of this room, with its unit and reason.

use chrono::TimeDelta;
use std::time::Duration;

/// Records of the journal that are looked at together: a busy second of a fleet.
pub const RECORDS: u64 = 200;

/// Records nobody is to hear of are passed over in memory, and so many of them at most are looked at again by a hub that
/// starts anew.
pub const PASSED_OVER: u64 = 2000;

/// How often is looked for what there is to do where nothing says so.
pub const LOOK: Duration = Duration::from_secs(1);

/// How soon is looked again where a rate holds something back: a tenth of what people call at once.
pub const RATE_LOOK: Duration = Duration::from_millis(50);

/// Deliveries of one channel that are under way at once: a company's mail server takes as many from one client, and each is
/// a connection and some 100 KB.
pub const AT_ONCE: usize = 64;

/// One try has come to its end within this: longer than any answer that is worth waiting for (Teams gives up after 15 s).
pub const TRY: Duration = Duration::from_secs(20);

/// Whoever sends something holds it for so long: a hub that was killed in the middle is not waited for longer. More than
/// [`TRY`] and the commit after it.
pub const HELD: TimeDelta = TimeDelta::seconds(40);

/// The first and the longest wait before something that failed is tried again; each is twice the one before.
pub const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// So often is something tried before what happened later goes by it: about a minute. What came in order is told in order
/// unless somebody takes all but one.
pub const IN_ORDER: u32 = 6;

/// Recipients of one channel of which the log is told in [`FORGET_EVERY`] that they cannot be reached.
pub const TOLD: usize = 10;

/// The longest wait that somebody else can ask for.
pub const AGAIN_ASKED: Duration = Duration::from_secs(3600);

/// What happened is worth telling for so long; what waits for an answer for as long as it waits.
pub const NEWS_GOOD: TimeDelta = TimeDelta::hours(24);

/// Alarms are, and copies are tried to be put right, for so long: over a weekend.
pub const ALARM_GOOD: TimeDelta = TimeDelta::days(3);

/// What one person hears by one channel within [`WINDOW`], alarms not counted; and of that what refused logins bring about,
/// so that nobody who knocks at doors drowns what was asked for. The rest is one word that there is more.
pub const PER_PERSON: u64 = 60;
/// See [`PER_PERSON`].
pub const PER_PERSON_KNOCKS: u64 = 20;
/// See [`PER_PERSON`].
pub const WINDOW: TimeDelta = TimeDelta::hours(1);

/// Letters that are over, and copies of what is over, are kept for so long: somebody asks what became of a mail.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// Copies are for so long after something happened last: grants are shorter.
pub const COPIES_KEPT: TimeDelta = TimeDelta::days(400);

/// How often those are taken away.
pub const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Bytes of what is kept of an error.
pub const ERROR: usize = 500;

/// Those that were given up and are listed, the newest first.
pub const LISTED: u32 = 200;

/// Something that may have been taken and is not written down as sent yet holds up the next for so long at most; with many
/// waiting for the parts of [`DOUBT_ALL`] that there are of them, and no less than the channel leaves between two. So a kill
/// has at most one sent twice where what takes it answers in that time, else as many as are begun until it answers.
pub const DOUBT: Duration = Duration::from_millis(250);
/// See [`DOUBT`]: 200 recipients of a channel without a rate are served within 2 s however slow each is.
pub const DOUBT_ALL: Duration = Duration::from_millis(1200);

/// Recipients whose pace is remembered at once; more forget those that have not been heard of for longest.
pub const PACES: usize = 10_000;

/// Webhooks of one hub: a few programs.
pub const WEBHOOKS: usize = 16;

/// Bytes of an answer that are read: why somebody refuses.
pub const ANSWER: usize = 4096;

/// Names in one line of what is told; the page behind the link has all of them.
pub const NAMES: usize = 8;

/// Connections to a mail server that are kept for the next mail, and for how long: servers close what is idle after some
/// minutes.
pub const MAIL_KEPT: (usize, Duration) = (16, Duration::from_secs(20));

/// Mails that one such connection brings: servers close it after a hundred or so.
pub const MAIL_EACH: u32 = 50;

/// Reviews that are told, the last ones, and bytes of the comment of each and of what it cuts off; the page has all.
pub const REVIEWS: usize = 5;
/// See [`REVIEWS`].
pub const REVIEW: usize = 300;

/// Bytes of all text in a card: with escapes (a byte becomes two at most of what text may hold) and what is around it still
/// under the 28 KB that Teams takes.
pub const CARD_TEXT: usize = 10 * 1024;

/// Flows that are told.
pub const WORKFLOWS: usize = 16;

/// Bytes of the name of one in hub.toml: it stands in each of its rows.
pub const NAME: usize = 32;

/// Bytes of an answer that is read whole: Slack gives back the message, which is under 20 KB.
pub const WHOLE_ANSWER: usize = 256 * 1024;

/// Rows that are counted when it is asked how much there is to do: what more there is changes nothing.
pub const COUNTED: u32 = 1000;
