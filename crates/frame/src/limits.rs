//! Every bound of the frame, with its unit and reason.

/// Bytes of a whole frame, header included. One page: a question is some 200 bytes, and neither side
/// ever needs to allocate more than this for a peer it does not trust yet.
pub const FRAME: usize = 4096;

/// Bytes of magic, version and body length before the body.
pub const HEADER: usize = 7;

/// Bytes of one name (login, service, terminal). `LOGIN_NAME_MAX` of Linux is 256.
pub const NAME: usize = 256;

/// Bytes of a remote host name: RFC 1035 allows 255 octets.
pub const RHOST: usize = 255;

/// Bytes of an address in text: an IPv6 address with a zone needs 62.
pub const ADDRESS: usize = 64;

/// Bytes of the line shown to a refused person: six rows of a terminal 80 columns wide.
pub const LINE: usize = 480;

/// Bytes of a reason code or grant id: the longest code of the closed list is 17.
pub const CODE: usize = 32;

/// Bytes of a reason that somebody types at a prompt: as much as a request takes.
pub const TEXT: usize = 1000;

/// Bytes of a ticket's id, or of the pattern that says what it looks like.
pub const TICKET: usize = 256;

/// Bytes of one value in a line of the log: names and addresses are shorter, and the six of a line fit into
/// what every syslog daemon takes (RFC 5424, section 6.1, says 2048 bytes).
pub const VALUE: usize = 256;
