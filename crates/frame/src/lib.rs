//! The one question and the one answer between `pam_jit.so` and `jitd`.
//!
//! A PAM call is one connection: the module writes a [`Question`], the daemon writes an [`Answer`], both
//! close. The module runs inside sshd and sudo as root and the daemon holds everybody's access, so
//! neither trusts the bytes of the other:
//!
//! * A frame is `magic (4) | version (1) | body length (2, big endian) | body`, at most
//!   [`limits::FRAME`] bytes.
//! * A body is a list of fields `tag (1) | length (2) | bytes` in strictly ascending tag order. Every
//!   field of the message is present, in its place, and no other: a missing, repeated, unknown or
//!   oversize field is an error, so for each message there is exactly one encoding.
//! * An answer echoes nonce, subject and service. One that belongs to another question is no answer.
//! * Verdicts are two bytes that differ in every bit; anything else is not a verdict.
//!
//! There is one version so far, and anything in another is an error. Once there is a second, the daemon answers in
//! the version it was asked in, from [`OLDEST`] on, so that a module and a daemon one release apart understand each
//! other during an upgrade and a downgrade.
//!
//! [`Pairs`] is how both write a line of the log about what was asked.
//!
//! There are no dependencies here on purpose: this is the code that both sides run on hostile bytes.
#![forbid(unsafe_code)]

mod codec;
pub mod limits;
mod pairs;

pub use pairs::Pairs;

use codec::{Fields, Put};
use core::fmt;

/// The version this build speaks.
pub const VERSION: u8 = 1;

/// The oldest version this build still answers.
pub const OLDEST: u8 = 1;

const QUESTION: [u8; 4] = *b"JIT?";
const ANSWER: [u8; 4] = *b"JIT!";

/// Sixteen random bytes that tie an answer to its question.
pub type Nonce = [u8; 16];

/// The PAM call a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// `pam_acct_mgmt`: the decision. May start a first-use clock.
    Account = 1,
    /// `pam_authenticate`: the verdict account would give. Starts nothing.
    Auth = 2,
    /// `pam_open_session`: registers the session and checks run-as again.
    Open = 3,
    /// `pam_close_session`: the session ended by itself.
    Close = 4,
    /// The module decided alone (see [`Question::notice`]) and tells it for the record.
    Notice = 5,
    /// Somebody asks at a prompt of the module: opens a request in the words of [`Question::wish`].
    Ask = 6,
    /// Would account let in by now? Asked again and again by who waits at a prompt. Records nothing and
    /// starts nothing.
    Wait = 7,
}

/// What somebody typed at a prompt of the module. All empty but in [`Phase::Ask`], which has a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Why.
    pub reason: Vec<u8>,
    /// For how long, as people write it; the rule's default if empty.
    pub length: Vec<u8>,
    /// The ticket it belongs to, or empty.
    pub ticket: Vec<u8>,
}

/// What a refused person can do at this very prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// Nothing.
    #[default]
    Nothing,
    /// Ask for the access.
    Ask {
        /// For how long, unless they say otherwise.
        length: Vec<u8>,
        /// What a ticket looks like where one is wanted, or empty.
        ticket: Vec<u8>,
    },
    /// Wait for the decision on this request.
    Wait {
        /// Its id.
        request: Vec<u8>,
    },
}

/// What the module decided without the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Notice {
    /// Nothing: the question is a real one.
    None = 0,
    /// Root's own sudo or su.
    Exempt = 1,
    /// A spare key named on the PAM line.
    SpareKey = 2,
}

/// What the PAM line does with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Refuses.
    Enforce = 1,
    /// Lets in and records what would have happened.
    Monitor = 2,
}

/// One PAM call, as the module saw it. Absent PAM items are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Ties the answer to this question.
    pub nonce: Nonce,
    /// The PAM call.
    pub phase: Phase,
    /// `PAM_SERVICE`, as PAM has it (`sshd`, `sudo-i`).
    pub service: Vec<u8>,
    /// Login name of the person whose grant counts.
    pub subject: Vec<u8>,
    /// Login name the person becomes; the subject itself where that is not known yet (sudo's account, but for what must
    /// not wait for its session).
    pub target: Vec<u8>,
    /// `PAM_RHOST`: a name or address, as told by the client's resolver. Never decided on.
    pub rhost: Vec<u8>,
    /// The client's address out of `SSH_CONNECTION` in the PAM environment, set by sshd.
    pub address: Vec<u8>,
    /// `PAM_TTY`.
    pub tty: Vec<u8>,
    /// Real user id of the calling process.
    pub uid: u32,
    /// The calling process.
    pub pid: u32,
    /// Its start time in clock ticks after boot, `/proc/PID/stat` field 22 (proc(5)); 0 but in the session
    /// phases.
    pub start_ticks: u64,
    /// Its audit session id, `/proc/PID/sessionid`; `u32::MAX` when unset and but in the session phases.
    pub audit_session: u32,
    /// The audit session that it had before the module gave it one of its own, where it did: that of the login
    /// around it. `u32::MAX` elsewhere.
    pub outer_session: u32,
    /// What the PAM line does with a refusal.
    pub mode: Mode,
    /// What the module decided alone; [`Notice::None`] unless `phase` is [`Phase::Notice`].
    pub notice: Notice,
    /// Whether the module can ask the person something and show the answer, so that an [`Offer`] is of use.
    pub can_prompt: bool,
    /// What they ask for; empty unless `phase` is [`Phase::Ask`].
    pub wish: Wish,
}

/// The two verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Let in.
    Allow = 0xA5,
    /// Refuse.
    Deny = 0x5A,
}

/// What the daemon decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question's nonce.
    pub nonce: Nonce,
    /// The question's subject.
    pub subject: Vec<u8>,
    /// The question's service.
    pub service: Vec<u8>,
    /// Let in or refuse.
    pub verdict: Verdict,
    /// Reason code of the closed list, as in the log line.
    pub reason: Vec<u8>,
    /// Id of the grant that carries the login, or empty.
    pub grant: Vec<u8>,
    /// End of that grant in seconds after the Unix epoch, or 0.
    pub expires: i64,
    /// What to show a refused person; empty when let in.
    pub line: Vec<u8>,
    /// What they can do at this prompt; [`Offer::Nothing`] when let in.
    pub offer: Offer,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the frame says, or more.
    Length,
    /// It does not start like a frame of this kind.
    Magic,
    /// A version outside [`OLDEST`]`..=`[`VERSION`].
    Version(u8),
    /// This field is missing, repeated, out of place, oversize or not one of its values.
    Field(u8),
    /// Fields after the last one of the message.
    Unknown(u8),
    /// The message does not fit [`limits::FRAME`].
    TooLarge,
    /// The answer belongs to another question.
    NotMine,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "frame has another length than it says"),
            Self::Magic => write!(f, "not a frame of this gate"),
            Self::Version(v) => {
                write!(f, "frame version {v}, this build speaks {OLDEST} to {VERSION}")
            }
            Self::Field(tag) => {
                write!(f, "frame field {tag} is missing, out of place or not valid")
            }
            Self::Unknown(tag) => write!(f, "frame has an unknown field {tag}"),
            Self::TooLarge => write!(f, "message does not fit {} bytes", limits::FRAME),
            Self::NotMine => write!(f, "the answer belongs to another question"),
        }
    }
}

impl std::error::Error for FrameError {}

impl Question {
    /// Somebody comes in at sshd as themselves, through this process, and no more is known of it: what is asked to see
    /// whether the gate would let them.
    pub fn at_sshd(phase: Phase, login: &str) -> Self {
        Self {
            nonce: [7; 16],
            phase,
            service: b"sshd".to_vec(),
            subject: login.into(),
            target: login.into(),
            rhost: Vec::new(),
            address: Vec::new(),
            tty: b"ssh".to_vec(),
            uid: 0,
            pid: std::process::id(),
            start_ticks: 0,
            audit_session: u32::MAX,
            outer_session: u32::MAX,
            mode: Mode::Enforce,
            notice: Notice::None,
            can_prompt: false,
            wish: Wish::default(),
        }
    }
}

impl Question {
    /// The bytes of this question, in [`VERSION`].
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        Put::new(QUESTION)
            .bytes(1, &self.nonce, 16)?
            .bytes(2, &[self.phase as u8], 1)?
            .bytes(3, &self.service, limits::NAME)?
            .bytes(4, &self.subject, limits::NAME)?
            .bytes(5, &self.target, limits::NAME)?
            .bytes(6, &self.rhost, limits::RHOST)?
            .bytes(7, &self.address, limits::ADDRESS)?
            .bytes(8, &self.tty, limits::NAME)?
            .bytes(9, &self.uid.to_be_bytes(), 4)?
            .bytes(10, &self.pid.to_be_bytes(), 4)?
            .bytes(11, &self.start_ticks.to_be_bytes(), 8)?
            .bytes(12, &self.audit_session.to_be_bytes(), 4)?
            .bytes(13, &[self.mode as u8], 1)?
            .bytes(14, &[self.notice as u8], 1)?
            .bytes(15, &self.outer_session.to_be_bytes(), 4)?
            .bytes(16, &[u8::from(self.can_prompt)], 1)?
            .bytes(17, &self.wish.reason, limits::TEXT)?
            .bytes(18, &self.wish.length, limits::CODE)?
            .bytes(19, &self.wish.ticket, limits::TICKET)?
            .finish()
    }

    /// The question in these bytes, which are one whole frame.
    pub fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        let mut fields = Fields::of(frame, QUESTION)?;
        let question = Self {
            nonce: fields.array(1)?,
            phase: match fields.byte(2)? {
                1 => Phase::Account,
                2 => Phase::Auth,
                3 => Phase::Open,
                4 => Phase::Close,
                5 => Phase::Notice,
                6 => Phase::Ask,
                7 => Phase::Wait,
                _ => return Err(FrameError::Field(2)),
            },
            service: fields.bytes(3, limits::NAME)?,
            subject: fields.bytes(4, limits::NAME)?,
            target: fields.bytes(5, limits::NAME)?,
            rhost: fields.bytes(6, limits::RHOST)?,
            address: fields.bytes(7, limits::ADDRESS)?,
            tty: fields.bytes(8, limits::NAME)?,
            uid: u32::from_be_bytes(fields.array(9)?),
            pid: u32::from_be_bytes(fields.array(10)?),
            start_ticks: u64::from_be_bytes(fields.array(11)?),
            audit_session: u32::from_be_bytes(fields.array(12)?),
            mode: match fields.byte(13)? {
                1 => Mode::Enforce,
                2 => Mode::Monitor,
                _ => return Err(FrameError::Field(13)),
            },
            notice: match fields.byte(14)? {
                0 => Notice::None,
                1 => Notice::Exempt,
                2 => Notice::SpareKey,
                _ => return Err(FrameError::Field(14)),
            },
            outer_session: u32::from_be_bytes(fields.array(15)?),
            can_prompt: match fields.byte(16)? {
                0 => false,
                1 => true,
                _ => return Err(FrameError::Field(16)),
            },
            wish: Wish {
                reason: fields.bytes(17, limits::TEXT)?,
                length: fields.bytes(18, limits::CODE)?,
                ticket: fields.bytes(19, limits::TICKET)?,
            },
        };
        fields.end()?;
        if (question.phase == Phase::Notice) == (question.notice == Notice::None) {
            return Err(FrameError::Field(14));
        }
        let asks = question.phase == Phase::Ask;
        if asks == question.wish.reason.is_empty() || !asks && question.wish != Wish::default() {
            return Err(FrameError::Field(17));
        }
        Ok(question)
    }
}

impl Answer {
    /// The bytes of this answer, in [`VERSION`].
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let (kind, length, ticket, request): (u8, &[u8], &[u8], &[u8]) = match &self.offer {
            Offer::Nothing => (0, &[], &[], &[]),
            Offer::Ask { length, ticket } => (1, length, ticket, &[]),
            Offer::Wait { request } => (2, &[], &[], request),
        };
        Put::new(ANSWER)
            .bytes(1, &self.nonce, 16)?
            .bytes(2, &self.subject, limits::NAME)?
            .bytes(3, &self.service, limits::NAME)?
            .bytes(4, &[self.verdict as u8], 1)?
            .bytes(5, &self.reason, limits::CODE)?
            .bytes(6, &self.grant, limits::CODE)?
            .bytes(7, &self.expires.to_be_bytes(), 8)?
            .bytes(8, &self.line, limits::LINE)?
            .bytes(9, &[kind], 1)?
            .bytes(10, length, limits::CODE)?
            .bytes(11, ticket, limits::TICKET)?
            .bytes(12, request, limits::CODE)?
            .finish()
    }

    /// The answer in these bytes, which are one whole frame.
    pub fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        let mut fields = Fields::of(frame, ANSWER)?;
        let answer = Self {
            nonce: fields.array(1)?,
            subject: fields.bytes(2, limits::NAME)?,
            service: fields.bytes(3, limits::NAME)?,
            verdict: match fields.byte(4)? {
                0xA5 => Verdict::Allow,
                0x5A => Verdict::Deny,
                _ => return Err(FrameError::Field(4)),
            },
            reason: fields.bytes(5, limits::CODE)?,
            grant: fields.bytes(6, limits::CODE)?,
            expires: i64::from_be_bytes(fields.array(7)?),
            line: fields.bytes(8, limits::LINE)?,
            offer: Self::offer(&mut fields)?,
        };
        fields.end()?;
        if answer.reason.is_empty() {
            return Err(FrameError::Field(5));
        }
        Ok(answer)
    }

    fn offer(fields: &mut Fields<'_>) -> Result<Offer, FrameError> {
        let kind = fields.byte(9)?;
        let (length, ticket) = (fields.bytes(10, limits::CODE)?, fields.bytes(11, limits::TICKET)?);
        let request = fields.bytes(12, limits::CODE)?;
        match (kind, length.is_empty(), ticket.is_empty(), request.is_empty()) {
            (0, true, true, true) => Ok(Offer::Nothing),
            (1, false, _, true) => Ok(Offer::Ask { length, ticket }),
            (2, true, true, false) => Ok(Offer::Wait { request }),
            _ => Err(FrameError::Field(9)),
        }
    }

    /// This answer, if it answers `question`.
    pub fn to(self, question: &Question) -> Result<Self, FrameError> {
        let mine = self.nonce == question.nonce
            && self.subject == question.subject
            && self.service == question.service;
        if mine { Ok(self) } else { Err(FrameError::NotMine) }
    }
}

/// Bytes of the whole frame that starts with `header`, so that a reader knows when it has it all.
pub fn frame_length(header: [u8; limits::HEADER]) -> Result<usize, FrameError> {
    let [_, _, _, _, _, high, low] = header;
    let length = limits::HEADER + usize::from(u16::from_be_bytes([high, low]));
    if length > limits::FRAME { Err(FrameError::TooLarge) } else { Ok(length) }
}
