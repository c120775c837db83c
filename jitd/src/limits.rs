//! Every bound of the daemon, with its unit and reason.

use std::time::Duration;

/// Threads that answer the gate. Each waits for at most one commit at a time, and those that come during one share the next,
/// so this is how many logins one fsync can serve; 64 at once still take two rounds only.
pub const GATE_THREADS: usize = 32;

/// Stack of a gate thread in bytes. The deepest paths read rows, make a world, and parse a policy that was applied this very
/// moment, or write an allow with the automatic checkpoint of SQLite: none of it goes deeper for what somebody wrote. Files of schedules are parsed elsewhere.
pub const GATE_STACK: usize = 256 * 1024;

/// A module has sent its whole question within this: it is one write of one page over a local socket.
pub const QUESTION_WAIT: Duration = Duration::from_millis(500);

/// A question is answered within this from when it was taken up, whatever it has to wait for: below the
/// module's 2 s, so that the person reads why.
pub const ANSWER_WAIT: Duration = Duration::from_millis(1700);

/// How often a daemon that stops looks whether those are answered whom it took.
pub const STOP_LOOK: Duration = Duration::from_millis(5);

/// A refused login waits at most this long for the request that it opens, and where less is left of
/// [`ANSWER_WAIT`] it opens none: what can be asked for by command is no reason to be late.
pub const LOGIN_REQUEST_WAIT: Duration = Duration::from_secs(1);

/// A write of the desk is durable within this, or the caller is told to try again.
pub const DESK_WAIT: Duration = Duration::from_secs(5);

/// Threads for calls of the control socket that wait for the disk: reads share one connection, writes
/// one commit, so more would only wait longer.
pub const CONTROL_THREADS: usize = 16;

/// Connections to the control socket at once: a screenful of people and their scripts. The gate has its
/// own socket and threads, so these can never use up what a login needs.
pub const CONTROL_CONNECTIONS: usize = 256;

/// Connections to the control socket by one user at once.
pub const CONTROL_PER_USER: usize = 16;

/// Users whose turned away connections are counted at once; more start all counts anew.
pub const CONTROL_TURNED_AWAY: usize = 10_000;

/// A caller has sent the head of a call within this.
pub const CONTROL_HEAD_WAIT: Duration = Duration::from_secs(5);

/// A connection to the control socket lives at most this long; `jit` opens one for each command.
pub const CONTROL_LIFE: Duration = Duration::from_secs(60);

/// The loss of log lines is recorded at most this often: a log that drops all day costs 1440 records.
pub const LOSS_EVERY: Duration = Duration::from_secs(60);

/// Equal refusals within this are one record with a count.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(60);

/// Different refusals counted at once; the oldest is written out when there are more.
pub const REPEAT_KINDS: usize = 1000;

/// Requests that refused logins of one person may open in [`LOGIN_REQUESTS_PER`].
pub const LOGIN_REQUESTS: usize = 10;

/// The span of [`LOGIN_REQUESTS`].
pub const LOGIN_REQUESTS_PER: Duration = Duration::from_secs(3600);

/// People whose refused logins are counted at once.
pub const LOGIN_PEOPLE: usize = 10_000;

/// Logins whose address is kept until their session opens: more than sshd's MaxStartups takes in at once.
pub const CLIENTS: usize = 1000;

/// And for so long, as [`MONITOR_PAIR`].
pub const CLIENT_KEPT: chrono::TimeDelta = MONITOR_PAIR;

/// Who waits at a prompt and asks nothing for so long has lost the place: sshd ends a login after its
/// LoginGraceTime of 120 s, and sudo asks each second.
pub const SEAT_KEPT: Duration = Duration::from_secs(130);

/// Who may come in to approve is worked out anew at least this often: an absence ends by time alone.
pub const APPROVERS_EVERY: Duration = Duration::from_secs(60);

/// Bytes of `/etc/passwd` and `/etc/group`, each: 100,000 accounts.
pub const ACCOUNTS: u64 = 16 * 1024 * 1024;

/// A file of accounts whose last line has no end may be half written: it is waited for this long, and then
/// taken as it is, as the C library takes it. Programs that write such files take milliseconds; a person who
/// edits one by hand and leaves the last newline out waits this long for it to count.
pub const ACCOUNTS_SETTLE: Duration = Duration::from_secs(10);

/// The record that a session goes on under another grant is waited for this long at a time: whoever else is to
/// end meanwhile waits too.
pub const MOVE_WAIT: Duration = Duration::from_millis(200);

/// And if it cannot be made durable within this after its own grant was found to be over, the session ends.
pub const MOVE_WITHIN: Duration = Duration::from_secs(5);

/// Audit sessions of ended sessions that are remembered, 400 KB of them: days of a busy host.
pub const AUDITS_OVER: usize = 100_000;

/// Looks in a row that must find nothing of a session, before it is written down as ended.
pub const EMPTY_LOOKS: u32 = 3;

/// Tries to catch a program that starts itself again and again: 5 ms in all where there is none.
pub const CHASE_ROUNDS: u32 = 500;

/// A connection to the hub stands within this.
pub const HUB_CONNECT: Duration = Duration::from_secs(10);

/// The hub has repeated itself by then, as it does every 20 s.
pub const HUB_REPEATED: Duration = Duration::from_secs(25);

/// The hub says nothing for so long, though it repeats itself every 20 s: the connection is dead.
pub const HUB_SILENCE: Duration = Duration::from_secs(50);

/// The longest pause before the hub is called again, at first and in the end; some part of it, so that a fleet does
/// not come back all at once.
pub const HUB_AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(90));

/// After a stream that brought nothing so many answers are asked for one by one, before a stream is tried again: half
/// an hour, at ...
pub const HUB_APART: u32 = 180;

/// ... one every so often: the hub says the same again once it is 20 s old, so what is known stays as fresh as by a stream.
pub const HUB_APART_EVERY: Duration = Duration::from_secs(10);

/// Seconds after which it is told that the hub is not heard: its truth is good for 90.
pub const STALE_TOLD_S: u64 = 90;

/// Whoever asks hears within this what the hub says, or that it will be told later: a person waits at a prompt, and
/// what is left of 700 ms is for the disk.
pub const HUB_HASTY: Duration = Duration::from_millis(600);

/// Questions of the gate that wait for the hub at once: a quarter of its threads, so that logins which need no hub are
/// answered however many are refused while it is away.
pub const HUB_WAITS: usize = GATE_THREADS / 4;

/// A grant of the hub is here so soon after its approval, or something is wrong with the way.
pub const ON_ITS_WAY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// What somebody looks up or changes at the hub by way of this host is answered within this.
pub const HUB_CALL: Duration = Duration::from_secs(4);

/// A part of the journal is taken within this, also over a bad line and by a busy hub.
pub const HUB_TAKES: Duration = Duration::from_secs(20);

/// How often is looked whether there is something to tell the hub of: sessions change this often at most.
pub const REPORT_EVERY: Duration = Duration::from_secs(1);

/// How often new records are told: a busy host sends some parts a minute and not one for each login.
pub const JOURNAL_EVERY: Duration = Duration::from_secs(5);

/// Records, and bytes of their bodies, that one part of the journal has at most, unless one record alone is larger:
/// a tenth of a second at 20 Mbit/s, and what was asked meanwhile goes first.
pub const JOURNAL_PART: (u64, usize) = (500, 256 * 1024);

/// Records that the hub has stay for so long all the same: one that was restored from a backup wants them again.
pub const UPLOADED_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(30);

/// What one login asked, and all of them, that waits for the hub: more than somebody needs while it is away, and all
/// of them together are read and sent in seconds.
pub const ASKS: (usize, u64) = (20, 1000);

/// Glass that one login asks for within [`ANSWER_KEPT`] beyond [`ASKS`] and in room that is kept, where a permit is there for it:
/// nobody is in need more often, and the hub refuses most of what comes more often.
pub const GLASS_ASKS: usize = 20;

/// What was asked is sent for so long: a working day, after which nobody counts on it.
pub const ASK_KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(8);

/// The answer to what was asked is kept for so long, for whoever repeats the call.
pub const ANSWER_KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// What the root says of certificates is there within this, from whoever answers at the hub's address: nobody is believed yet.
pub const STRANGER_TAKES: Duration = Duration::from_secs(20);

/// Bytes of it: a certificate in PEM, signed, is some 3 KiB.
pub const STRANGER_SAYS: u64 = 64 * 1024;

/// Bytes of an answer of the hub that is no stream: lists of requests are the longest.
pub const HUB_ANSWER: u64 = api::limits::ANSWER;

/// A line on somebody's terminal goes by way of sshd, which drops what is on its way once it is told to end.
pub const SHOWN: Duration = Duration::from_millis(100);

/// A session whose grant was given back goes on for so long: a command prints its answer and ends within it.
pub const RELEASE_PAUSE: Duration = Duration::from_millis(500);

/// How often what belongs to a session that ends is looked for: a look at a busy host takes 20 ms.
pub const STRIKE_EVERY: Duration = Duration::from_millis(50);

/// Looks for processes that still run, before they are killed all at once: each leaves fewer.
pub const STOP_ROUNDS: u32 = 20;

/// A session that does not end within this after it was killed is told: a process hangs in a disk, say.
pub const STUCK_AFTER: Duration = Duration::from_secs(5);

/// A person's user manager stays for this long after they closed their last session by themself: logind's own
/// bound is 10 s (logind.conf(5), UserStopDelaySec=), and who comes back within it finds theirs.
pub const MANAGER_STAYS: Duration = Duration::from_secs(12);

/// What still runs of a session whose login was closed so shortly ago is looked for each second: mostly it is
/// about to end.
pub const LEFT_FRESH: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// And after that so often, since each look reads all of `/proc`.
pub const LEFT_EVERY: Duration = Duration::from_secs(30);

/// Processes of somebody who is out are looked for once those of their sessions had this long to end.
pub const SWEEP_AFTER: Duration = Duration::from_secs(1);

/// And again, as long as there are some.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Things of one account that are shown as left over: more than an administrator reads.
pub const LEFT_OVERS: usize = 50;

/// Things of one account that are put on record as left over in [`LEFT_NEWS_PER`]: they can be made at will.
pub const LEFT_NEWS: u32 = 20;

/// The span of [`LEFT_NEWS`].
pub const LEFT_NEWS_PER: Duration = Duration::from_secs(3600);

/// Things that one report of `jitd watch` names: some thousand fit into the body of a call.
pub const WATCH_REPORT: usize = 1000;

/// A grant that is over is remembered for this long, so that a refusal can say so.
pub const GRANTS_KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Grants that are over are kept for so long, with the requests that they came of: the longest that a quota counts back, and
/// far longer than a hub lists them.
pub const ENDED_KEPT: chrono::TimeDelta =
    chrono::TimeDelta::seconds(access::Span::LONGEST.as_seconds() as i64);

/// Requests that came to nothing are kept for so long at least, also where room is short: nobody looks for one, or repeats its
/// call, after a week.
pub const NOTHING_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(7);

/// Rounds of forgetting in a minute: 4096 of each, more than a thousand accounts can ask for.
pub const FORGET_ROUNDS: usize = 16;

/// Rounds of pruning in a second while room is short: 32,000 records, more than the disk takes new ones.
pub const PRUNE_ROUNDS: usize = 32;

/// Bytes of one file in `/proc`.
pub const PROC: u64 = 64 * 1024;

/// A start that failed waits this long before the service manager may try again, unless the configuration
/// changes: short enough that a host comes back soon once the cause is gone, long enough that a night of it
/// is some thousand lines and not millions.
pub const START_AGAIN: Duration = Duration::from_secs(10);

/// How often the configuration is looked at meanwhile.
pub const START_LOOK: Duration = Duration::from_millis(200);

/// How often the files of schedules are looked at while nobody asks for it.
pub const SCHEDULES_EVERY: Duration = Duration::from_secs(1);

/// A call of the control socket waits so long for a look at them: a local file takes milliseconds.
pub const SCHEDULES_WAIT: Duration = Duration::from_millis(500);

/// What was read of them is believed for so long after the last look that ended: a file system that hangs for a moment puts
/// nobody off call.
pub const SCHEDULES_GOOD: Duration = Duration::from_secs(60);

/// How often time-driven work is done.
pub const TICK: Duration = Duration::from_secs(1);

/// The kernel's clock has been synchronised for this long before it is believed.
pub const CLOCK_SETTLES: Duration = Duration::from_secs(600);

/// The wall clock may be this far from trusted time before it is an alarm.
pub const CLOCK_STRAYS: Duration = Duration::from_secs(600);

/// How often the floor of time is written down while the clock is confirmed.
pub const FLOOR_EVERY: Duration = Duration::from_secs(60);

/// Bytes of grants, as they are signed, in one call to a hub that lost them: half of what it takes.
pub const GIVEN: usize = 512 * 1024;

/// Early ends in one such call: each with its reason, 500 bytes.
pub const GIVEN_ENDS: usize = 1000;

/// How often what the hub's root signs of this host is asked for: its labels are as of then where the hub loses them.
pub const MEMBERSHIP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest pause after that failed: nothing waits for it, and the hub may be busy with those of all hosts.
pub const MEMBERSHIP_AGAIN: Duration = Duration::from_secs(20 * 60);

/// How often the hub is told how this host stands where nothing changed: `jit hosts` is read by the minute.
pub const STATE_EVERY: Duration = Duration::from_secs(60);

/// Records that one look for what `mode=monitor` let in goes through, from the newest on: some seconds, and weeks of a
/// busy host.
pub const MONITOR_RECORDS: u64 = 1_000_000;

/// Records of it that are read at once: a hundredth of a second, for which others wait that read.
pub const MONITOR_READ: u64 = 5_000;

/// A session opens so soon after its login: sshd's LoginGraceTime is 120 s.
pub const MONITOR_PAIR: chrono::TimeDelta = chrono::TimeDelta::seconds(130);

/// Sessions that are kept in mind at once until their login is found.
pub const MONITOR_DOORS: usize = 10_000;

/// Changes of what is found around the daemon that are put on record in [`FINDING_NEWS_PER`]: something that comes and
/// goes must not fill the log.
pub const FINDING_NEWS: u32 = 40;

/// The span of [`FINDING_NEWS`].
pub const FINDING_NEWS_PER: Duration = Duration::from_secs(3600);
