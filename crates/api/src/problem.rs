//! What is refused, as RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
impl Problem {
    /// RFC 9457, section 3.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
}

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// For programs.
    pub code: ProblemCode,
    /// For people: what was being done, what was wrong, what to do next.
    pub detail: String,
}

/// The kinds of refusal, a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The rules say no.
    Refused,
    /// Nobody knows who asks.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// The call makes no sense.
    BadRequest,
    /// No such thing, or not for these eyes.
    NotFound,
    /// Somebody else was first.
    Conflict,
    /// Asked too often.
    RateLimited,
    /// The desk cannot make anything durable now.
    Unavailable,
    /// Another process of the hub answers this call.
    Misdirected,
}

impl ProblemCode {
    /// HTTP status (RFC 9110, section 15).
    pub const fn status(self) -> u16 {
        match self {
            Self::Refused => 422,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Misdirected => 421,
        }
    }

    /// Exit code of `jit`.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Refused | Self::Unauthorized | Self::Forbidden | Self::RateLimited => 1,
            Self::BadRequest => 2,
            Self::Unavailable | Self::Misdirected => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
        }
    }
}

impl ProblemCode {
    /// This kind of refusal, in these words.
    pub fn because(self, detail: impl Into<String>) -> Problem {
        Problem { status: self.status(), code: self, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let exits = [
            (ProblemCode::Refused, 1),
            (ProblemCode::Unauthorized, 1),
            (ProblemCode::Forbidden, 1),
            (ProblemCode::RateLimited, 1),
            (ProblemCode::BadRequest, 2),
            (ProblemCode::Unavailable, 3),
            (ProblemCode::Misdirected, 3),
            (ProblemCode::NotFound, 4),
            (ProblemCode::Conflict, 5),
        ];
        for (code, exit) in exits {
            assert_eq!(code.exit(), exit, "{code:?}");
        }
    }

    #[test]
    fn a_problem_on_the_wire_reads_like_this() {
        let json = serde_json::to_string(&ProblemCode::NotFound.because("no request R-1")).unwrap();
        assert_eq!(json, r#"{"status":404,"code":"not_found","detail":"no request R-1"}"#);
    }
}
