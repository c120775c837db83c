//! Every bound of the hub, with its unit and reason.

use access::Span;
use chrono::TimeDelta;
use std::time::Duration;

/// Connections at once: a host each, of some 15 KB, and half of the 65,536 files that the unit gives.
pub const CONNECTIONS: usize = 32_768;

/// Connections from one address at once (of IPv6 from one /64, which is one customer), hosts that listen not counted:
/// an office behind one address, and no more than a hundredth of all.
pub const PER_ADDRESS: usize = 64;

/// Addresses whose failed tries are remembered at once, a minute each; more forget the rest.
pub const ADDRESSES: usize = 10_000;

/// Failed tries of one address in [`WINDOW`] that are answered and logged one by one; further ones are counted.
pub const FAILED_TRIES: u32 = 10;

/// The span of [`FAILED_TRIES`], and how often it is told how many connections were turned away.
pub const WINDOW: Duration = Duration::from_secs(60);

/// A client has finished the TLS handshake within this: three round trips over a bad line.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A client has sent the head of a call within this, and a connection without a call lives so long.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);

/// Bytes of the head of a call: a token, a key and a long query are under 2 KB.
pub const HEAD: usize = 16 * 1024;

/// A call is read and answered within this, a body that trickles in included: the longest is a replay
/// ([`api::limits::REPLAY_WAIT_S`]).
pub const CALL: Duration = Duration::from_secs(60);

/// A connection lives so long, however busy: what reads no answers does not stay.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// A hub that stops, and a connection whose life is over, wait so long for calls that are being answered.
pub const GRACE: Duration = Duration::from_secs(5);

/// Threads for calls that wait for the disk: reads share one connection, writes one commit.
pub const THREADS: usize = 32;

/// Hosts that a change is read for at once: half of the database's readers, so that people who ask meanwhile find one.
pub const READ_AT_ONCE: usize = DATABASE_READERS / 2;

/// A write is durable within this, or the caller is told to try again.
pub const WRITE_WAIT: Duration = Duration::from_secs(5);

/// A server of a database is connected to within this: it is near. Of several, the second within as much again.
pub const DATABASE_CONNECT: Duration = Duration::from_secs(2);

/// It has answered a statement within this; less than [`WRITE_WAIT`], so that whoever waits is told why. A commit that
/// hangs, what is done to learn of it ([`DATABASE_SETTLES`]) and a last connection together stay under the 15 s after
/// which the service manager takes the writer for hung.
pub const DATABASE_WAIT: Duration = Duration::from_secs(3);

/// Grants that one host is told of, beyond which those that ended are taken off its list: half of what it takes, so that what is good
/// has room until that is looked at again.
pub const LISTED: u64 = sync::limits::GRANTS as u64 / 2;

/// Statements that nobody waits for are sent together with the next one, or once they are so many: what is sent at once is
/// polled in order by the futures crate up to 30 of them.
pub const DATABASE_UNSENT: usize = 24;

/// Connections to read by: calls that look something up take well under a millisecond each.
pub const DATABASE_READERS: usize = 8;

/// Steps of a new release that change the tables come through within this, among calls that read them.
pub const DATABASE_STEPS: Duration = Duration::from_secs(60);

/// One step of a new release is over within this once it has begun, which an index of some ten million rows is; hubs that are
/// there wait for it meanwhile.
pub const DATABASE_STEP: Duration = Duration::from_secs(30);

/// Rows that are on their way to another database at once.
pub const MIGRATION_AT_ONCE: usize = 500;

/// A hub that is brought over is committed within this, however large: nobody waits for it.
pub const MIGRATION_COMMIT: Duration = Duration::from_secs(600);

/// Databases that are kept aside: somebody should look at them.
pub const ASIDE: u32 = 100;

/// For so long is looked for what became of a commit of which no word came: a server that was killed is back by
/// then. And how soon it is tried again.
pub const DATABASE_SETTLES: Duration = Duration::from_secs(3);
/// See [`DATABASE_SETTLES`].
pub const DATABASE_AGAIN: Duration = Duration::from_millis(50);

/// A server ends a transaction of ours that it has heard nothing of for so long. Less than [`DATABASE_SETTLES`]: where the network is
/// cut, the server does not know that we are gone, and holds what we look for until then.
pub const DATABASE_IDLE: Duration = Duration::from_millis(1500);

/// How often is looked for what other hubs did, where nothing hints at it.
pub const LOOK: Duration = Duration::from_secs(1);

/// A hub that has not seen the database for so long tells no host that it is up to date.
pub const BLIND: Duration = Duration::from_secs(5);

/// Records of other hubs that are read one by one, some at once; who missed more reads all there is to know.
pub const CATCH_UP: u64 = 10_000;
/// See [`CATCH_UP`].
pub const CATCH_UP_AT_ONCE: u64 = 500;

/// What a host said last is written down at most so often, for some hosts at once, so that a fleet that comes back
/// does not hold up who asks for access.
pub const SEEN_EVERY: TimeDelta = TimeDelta::seconds(60);
/// See [`SEEN_EVERY`].
pub const SEEN_AT_ONCE: usize = 1000;

/// A hub says so often that it serves, and one that has not for three times as long is taken to have stopped.
pub const SERVING_EVERY: TimeDelta = TimeDelta::seconds(10);

/// Policy, people and hosts that change all the time are followed this often all the same: automation gets at a host that
/// joined in that time, and one look at all that is held is some seconds of a large fleet.
pub const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);

/// How often time-driven work is done.
pub const TICK: Duration = Duration::from_secs(1);

/// A pause after a connection that could not be accepted, for want of files mostly.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The longest life of a token: a quarter of a year, after which somebody must want it again.
pub const TOKEN_DAYS: i64 = 90;

/// Good tokens of one person at once: some machines and some programs.
pub const TOKENS_PER_PERSON: u64 = 50;

/// People who are in no people.toml and have something here that are named in one line; the rest are counted.
pub const LEFT: usize = 10;

/// Tokens and sign-ins that are over are listed for so long: an audit looks back a year.
pub const TOKENS_KEPT: TimeDelta = TimeDelta::days(400);

/// The use of a token is written down at most so often, in milliseconds: a person reads minutes.
pub const USED_EVERY_MS: i64 = 60_000;

/// Days that the certificate authority of [`crate::certificate`] is good for: longer than any machine here.
pub const AUTHORITY_DAYS: i64 = 20 * 365;

/// Days that a certificate by it is good for, and how old it gets before the next one is made: a hub that runs
/// on, and one whose clock is a little wrong, never shows one that is over.
pub const CERTIFICATE_DAYS: (i64, i64) = (90, 30);

/// How often is looked whether the files of a certificate changed: a renewal writes two.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(5);

/// So long before a certificate of somebody else's is over somebody is told, and in the last third of one that is shorter:
/// what renews it by itself has done so by then.
pub const CERTIFICATE_TOLD: TimeDelta = TimeDelta::days(14);

/// Bytes of a certificate file.
pub const FILE: u64 = 256 * 1024;

/// Bytes that the database may grow to at least: below that a busy day fills it.
pub const JOURNAL_LEAST: u64 = 16 * 1024 * 1024;

/// The wall clock may be so far from the hub's time before it has jumped: a time service slews what is less.
pub const CLOCK_STRAYS: TimeDelta = TimeDelta::minutes(10);

/// A wall clock that has jumped counts once a time service has kept it for so long, as on a host.
pub const CLOCK_SETTLES: TimeDelta = TimeDelta::minutes(10);

/// The wall clock may be so far behind the last record at a start, in milliseconds: more is a clock that was wrong
/// then or is wrong now, and the hub goes by what it has now and says so.
pub const CLOCK_BACK_MS: i64 = 600_000;

/// The signer answers within this: it reads, looks, and signs in 25 us.
pub const SIGNER_WAIT: Duration = Duration::from_secs(2);

/// Bytes of one line to or from the signer: a grant of 256 hosts with its request, and as much again.
pub const SIGNER_LINE: u64 = 512 * 1024;

/// What the root signed of a host brings it back so long after: as long as hosts keep their journals for that.
pub const MEMBERSHIP_GOOD: TimeDelta = TimeDelta::days(30);

/// Memberships signed at once, and a minute after that: each host asks for its own once a day.
pub const MEMBERSHIPS_AT_ONCE: u32 = 2_000;
/// See [`MEMBERSHIPS_AT_ONCE`].
pub const MEMBERSHIPS_A_MINUTE: u32 = 1_200;

/// A host waits so long for its turn at that.
pub const MEMBERSHIP_TURN: Duration = Duration::from_secs(3);

/// Callers of the signer at once: the server asks with one thread for grants and one for hosts, and a command beside it.
pub const SIGNER_CALLERS: usize = 8;

/// Grants signed at once, and a minute after that: a fleet's busiest hour begun again after a day without the signer,
/// and what people and their programs ask for.
pub const SIGNED_AT_ONCE: u32 = 20_000;
/// See [`SIGNED_AT_ONCE`].
pub const SIGNED_A_MINUTE: u32 = 1200;

/// A key that was rotated out is believed for so long: what it signed is signed anew meanwhile, and replicas have
/// changed over.
pub const ROTATED_KEPT: TimeDelta = TimeDelta::days(1);

/// Grants read, signed and written down at once, and how often is looked for some although nobody said so.
pub const SIGN_AT_ONCE: u32 = 500;
/// See [`SIGN_AT_ONCE`].
pub const SIGN_AGAIN: Duration = Duration::from_secs(5);

/// What the signer refused is not asked for again for so long, but by another key or of one that was started anew: nothing but
/// another release of it would say otherwise, and each time is a line in the log. So much of that is remembered.
pub const REFUSED_FOR: Duration = Duration::from_secs(3600);
/// See [`REFUSED_FOR`].
pub const REFUSED: usize = 10_000;

/// Calls by one token within [`WINDOW`]: a hundred a second, a seventh of what a hub does.
pub const TOKEN_CALLS: u32 = 6_000;

/// Nonces used within [`NONCE_LIFE`], which are remembered: a fleet that comes back at once, twice.
pub const NONCES: usize = 200_000;

/// Those of one host among them, a tenth of all: more than people there make in a minute by [`HOST_CALLS`], so that they do not
/// silence it.
pub const HOST_NONCES: usize = NONCES / 10;

/// A nonce is used within this: two calls in a row over a bad line.
pub const NONCE_LIFE: TimeDelta = TimeDelta::seconds(60);

/// The longest life of a token for hosts, and how many it lets in at most: an image that is rolled out.
pub const JOIN_LONGEST: TimeDelta = TimeDelta::days(30);

/// The link and the token for a host that `jit-hub init` leaves are good for this: the hub is still to be started, and its
/// certificate to be brought to a browser.
pub const FIRST: TimeDelta = TimeDelta::days(1);

/// See [`JOIN_LONGEST`].
pub const JOIN_USES: u32 = 10_000;

/// Bytes of the digests that a host says it holds: [`sync::limits::GRANTS`] of 67.
pub const FEED_BODY: usize = 1024 * 1024;

/// Bytes of a part of a host's journal: the largest record there can be, escaped, with the chain around it.
pub const JOURNAL_BODY: usize = journal::limits::EXPORT_LINE + 4096;

/// Bytes of records that one host may hand in at once: what it wrote in a month away, and a hub of 50 hosts that all do has
/// room for that.
pub const HOST_JOURNAL: u64 = 256 * 1024 * 1024;

/// Bytes that a record takes beside its body: two hashes, whose it is, and its places in two indexes. 372 were measured in a
/// file and 441 on PostgreSQL, with the room that pages leave.
pub const RECORD_AROUND: u64 = 450;

/// Bytes of what is kept of a session that was on a host, in its table and five indexes more. 348 were measured in a file; pages of
/// PostgreSQL leave more room, as with records.
pub const PAST_SESSION: u64 = 450;

/// Bytes of the name of one start of a machine (proc(5), `random/boot_id`, has 36).
pub const BOOT_ID: usize = 64;

/// Bytes of that which each day gives back: a decision each second, all day long.
pub const HOST_JOURNAL_A_DAY: u64 = 64 * 1024 * 1024;

/// Bytes that what people ask for and do on one host may take at once, and how many each day gives back: some 4,000 asks. They are
/// counted for themselves, as [`HOST_CALLS`] are.
pub const HOST_ASKS: u64 = 16 * 1024 * 1024;
/// See [`HOST_ASKS`].
pub const HOST_ASKS_A_DAY: u64 = 16 * 1024 * 1024;

/// Bytes that one takes beside what the host said: the request, its records, who is to hear of it and the answer that is kept.
pub const ASK_AROUND: u64 = 4096;

/// Logs that the journal of a host may have since it joined: each one after the first is a repair, which somebody is told
/// of, and past some of them nobody knows what that host did.
pub const LOGS: u64 = 16;

/// What one host may tell at once, in calls and in sessions that came, went or changed: a month of its journal, and
/// some hundred logins meanwhile.
pub const HOST_SAYS: u64 = 5_000;

/// What each day gives back of that: twenty a second.
pub const HOST_SAYS_A_DAY: u64 = 20 * 86_400;

/// Asks and calls of people that one host may pass on at once, and in a day: a hundred a second. They are counted for
/// themselves: whoever has an account there makes some without being root, and must not keep the host from telling its own.
pub const HOST_CALLS: u64 = 10_000;
/// See [`HOST_CALLS`].
pub const HOST_CALLS_A_DAY: u64 = 100 * 86_400;

/// Bytes of the sessions of one host: [`api::limits::PAGE`] of 1 KiB, and as much again.
pub const SESSIONS_BODY: usize = 2 * 1024 * 1024;

/// Pages of [`api::limits::PAGE`] sessions that are looked through for what one person may see: a fleet of ten thousand
/// hosts with five each.
pub const SESSION_PAGES: usize = 50;

/// A permit can be used for so long after it was made, and is renewed at half of it: a host that was away for a fortnight
/// still has one, and what was taken from somebody while a host is away ends within a month.
pub const PERMIT_GOOD: TimeDelta = TimeDelta::days(30);

/// The longest that a permit may let somebody in for, whatever the policy says: a working day, and the night.
pub const PERMIT_LONGEST: Span = match Span::seconds(24 * 3600) {
    Some(day) => day,
    None => Span::SHORTEST,
};

/// How often is looked whether somebody's permits should be others, and whether it is time for the next ones.
pub const PERMITS_EVERY: Duration = Duration::from_secs(5);
/// See [`PERMITS_EVERY`].
pub const PERMITS_AGAIN: Duration = Duration::from_secs(3600);

/// Permits that are made in one look: a tenth of a second.
pub const PERMITS_AT_ONCE: usize = 100;

/// Permits that are over are known for so long, so that a host that was away can tell what became of one.
pub const PERMITS_KEPT: TimeDelta = TimeDelta::days(365);

/// How often the log hears of one host that says what it must not.
pub const WRONG_EVERY: TimeDelta = TimeDelta::minutes(5);

/// Sessions by which a grant is said to have been used: an automation's are cut, and nobody counts them.
pub const USES: u32 = 2000;

/// Days that records of hosts are kept where nothing else is said: an audit looks back a year.
pub const HOSTS_DAYS: u16 = 400;

/// Days that they can be kept at most: ten years.
pub const HOSTS_DAYS_MOST: u16 = 3660;

/// Of what the database may grow to, so many of so many parts may be used before the oldest records of hosts go, however
/// young they are: below the three quarters from which on nobody can ask for anything.
pub const HOSTS_SHARE: (u64, u64) = (5, 8);

/// The same before somebody is told: weeks before that, unless a fleet comes back at once.
pub const WARN_SHARE: (u64, u64) = (1, 2);

/// How often is looked how full the database is, and which records of hosts are to go.
pub const ROOM_EVERY: Duration = Duration::from_secs(10);

/// Records of hosts that go at once: some hundredths of a second, and a second later the next.
pub const GO_AT_ONCE: u32 = 1000;

/// Signed grants that go at once, each with a row for each of its hosts: of 256 hosts these are 25,600 rows.
pub const SIGNED_GO_AT_ONCE: u32 = 100;

/// For each record of a host that comes while the database is too full, so many of the oldest go.
pub const GO_FOR_EACH: usize = 2;

/// Requests and grants are kept for so long after they ended: an audit looks back a year.
pub const ENDED_KEPT: TimeDelta = TimeDelta::days(400);

/// Rounds of forgetting what is older, each time, of requests and grants and of each table beside them: seconds in all.
pub const FORGET_ROUNDS: usize = 16;

/// Looks at what a host must hold until two agree on the revision: changes are some a second.
pub const LOOKS: usize = 8;

/// How often a host hears that nothing changed: proxies cut streams that are silent for 30 s.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Bytes that an event takes for a host without grants, and some more: it is written without growing.
pub const EVENT: usize = 2048;

/// What a host was told is the truth for so long: four keep-alives, so that one that is lost makes nothing stale.
pub const FRESH: TimeDelta = TimeDelta::seconds(90);

/// A stream by which nothing fresh can be told for so long ends: its host may find another hub that sees more. As long as a
/// host takes what it heard last for fresh.
pub const BLIND_STREAM: Duration = Duration::from_secs(90);

/// Streams of one host at once: earlier ones end as soon as they are read, and one that is not read takes a connection.
pub const STREAMS: usize = 8;

/// A host that listens to a feed knows the truth of less than so long ago: it tells a desk each minute what it heard of
/// at most 20 s before, and one word that is lost makes nobody deaf.
pub const KNOWS: TimeDelta = TimeDelta::seconds(150);

/// How often files of all hosts are written anew, and for how long one calls itself fresh: three times, so that one that
/// comes late makes nothing stale.
pub const PUBLISHED_EVERY: TimeDelta = TimeDelta::minutes(5);
/// See [`PUBLISHED_EVERY`].
pub const PUBLISHED_FRESH: TimeDelta = TimeDelta::minutes(15);

/// A host's stream lives so long, and then comes anew, perhaps to a replica that has less to do.
pub const FEED_LIFE: Duration = Duration::from_secs(3600);

/// How old a manifest gets before the root signs the next, and how soon it is tried again: one that is over stops
/// every host, so there are weeks in which to notice that the signer is away.
pub const MANIFEST_RENEWED: TimeDelta = TimeDelta::hours(1);
/// See [`MANIFEST_RENEWED`].
pub const MANIFEST_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// How often signed grants that no host needs to know of any more are taken away.
pub const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Hosts that are named where some say that the database lost commits: two are as good as all.
pub const LOST_TOLD: usize = 10;

/// Labels of a host, and bytes of a key or a value: they are shown in one line of a table.
pub const LABELS: usize = 32;
/// See [`LABELS`].
pub const LABEL: usize = 100;

/// PAM services that a host says ask for a grant: more than any distribution has doors.
pub const GATED: usize = 32;

/// Bytes of a secret's file.
pub const SECRET: u64 = 4096;
