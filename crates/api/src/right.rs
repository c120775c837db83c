//! Tokens and roles of a hub: who calls, and what they may at most.

use access::{Person, Span, Text, Time, TokenId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a token may be used for at most. Whoever has it still needs the right to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To see all that its person may see. Without it only their own affairs and what they can decide.
    Read,
    /// To ask for access, take that back, and give it back.
    Request,
    /// To approve and deny.
    Review,
    /// To revoke grants.
    Operate,
    /// To change policy, tokens and roles.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Request, Self::Review, Self::Operate, Self::Admin];

    /// The name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Request => "request",
            Self::Review => "review",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A right beside one's own affairs, that a hub keeps by person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, changes nothing.
    Auditor,
    /// Also revokes grants.
    Operator,
    /// Also changes policy, people, tokens and roles.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auditor, Self::Operator, Self::Admin];

    /// The name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

macro_rules! by_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let named = Self::ALL.into_iter().find(|one| one.code() == text);
                named.ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|one| one.code()).collect();
                    format!("there is no {text}: write one of {}", all.join(", "))
                })
            }
        }
    };
}
by_name!(Scope);
by_name!(Role);

/// All there is to know of a token but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is called by.
    pub id: TokenId,
    /// Whose it is.
    pub person: Person,
    /// What it is for.
    pub name: Text,
    /// What it may be used for at most.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub made: Time,
    /// Who made it; none for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Person>,
    /// When it ends by itself.
    pub expires: Time,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Time>,
}

impl Token {
    /// Whether it opens the door at `now`.
    pub fn is_good(&self, now: Time) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// Which tokens to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AskTokens {
    /// Only this person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// A token in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenView {
    /// The token.
    pub token: Token,
    /// When it was used last, as it was written down: some minutes behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Time>,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub name: Text,
    /// Whose it is to be; one's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// What it may be used for at most.
    pub scopes: BTreeSet<Scope>,
    /// For how long it is good.
    #[serde(rename = "for")]
    pub length: Span,
}

/// A token was made. The secret is told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MadeToken {
    /// What to show at the door.
    pub secret: String,
    /// The token.
    pub token: Token,
}

/// A link to be made that signs somebody in to the pages of the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLink {
    /// Whom; oneself if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
}

/// A link was made. It is told this once, and signs in once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MadeLink {
    /// What to open in a browser.
    pub url: String,
    /// What it is among tokens: it is listed there, and can be revoked.
    pub token: Token,
}

/// An account at a provider of identities, that one person of the hub signs in by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The provider, as it calls itself (OpenID Connect Core, section 2, `iss`).
    pub issuer: Text,
    /// Whom it says it is, never given to anybody else (`sub`).
    pub subject: Text,
}

/// A person's roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Whose.
    pub person: Person,
    /// Which; all that they have.
    pub roles: BTreeSet<Role>,
}

/// A change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RightRecord {
    /// When.
    pub at: Time,
    /// Who did it; none for whoever runs the hub's own command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    /// Whose right it is.
    pub person: Person,
    /// What happened.
    pub right: Right,
}

/// What happens to rights, a closed list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// A token was made.
    TokenMade(Token),
    /// A token was revoked.
    TokenRevoked(Token),
    /// A role was given.
    RoleGiven(Role),
    /// A role was taken.
    RoleTaken(Role),
    /// An account elsewhere signs this person in from now on.
    IdentityBound(Identity),
    /// It does no more.
    IdentityUnbound(Identity),
}

impl Right {
    /// The name in logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TokenMade(_) => "token_made",
            Self::TokenRevoked(_) => "token_revoked",
            Self::RoleGiven(_) => "role_given",
            Self::RoleTaken(_) => "role_taken",
            Self::IdentityBound(_) => "identity_bound",
            Self::IdentityUnbound(_) => "identity_unbound",
        }
    }
}
