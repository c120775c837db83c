//! One way to the provider and back, in one browser.

use super::limits;
use crate::secret::{self, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What the browser keeps meanwhile. Nothing of it is kept here, so that whoever comes back may find another hub; all that
/// goes to the provider is made of it by a hash, and tells nobody what it was.
pub struct Flow {
    secret: String,
    /// Where in the pages to go afterwards.
    pub to: String,
}

impl Flow {
    /// A new one.
    pub fn begin(to: &str) -> Result<Self, getrandom::Error> {
        let (secret, _) = secret::make(Kind::Elsewhere)?;
        Ok(Self { secret, to: if leads_to_a_page(to) { to.to_owned() } else { HOME.to_owned() } })
    }

    /// The one that a cookie says.
    pub fn of(cookie: &str) -> Option<Self> {
        let (secret, to) = cookie.split_once('~')?;
        secret::hash(Kind::Elsewhere, secret)?;
        let to = URL_SAFE_NO_PAD.decode(to).ok().and_then(|to| String::from_utf8(to).ok())?;
        leads_to_a_page(&to).then(|| Self { secret: secret.to_owned(), to })
    }

    /// What the cookie says.
    pub fn cookie(&self) -> String {
        format!("{}~{}", self.secret, URL_SAFE_NO_PAD.encode(&self.to))
    }

    /// Ties the answer to this browser (RFC 6749, section 10.12).
    pub fn state(&self) -> String {
        self.made("state")
    }

    /// Ties the provider's word to this way (OpenID Connect Core, section 3.1.2.1).
    pub fn nonce(&self) -> String {
        self.made("nonce")
    }

    /// Ties the code to this hub (RFC 7636).
    pub fn verifier(&self) -> String {
        self.made("verifier")
    }

    fn made(&self, what: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{what} of {}", self.secret)))
    }
}

/// The first page.
const HOME: &str = "/web";

/// Whether this is a page of ours and nothing else, so that nobody is led away from here.
fn leads_to_a_page(to: &str) -> bool {
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let path = to.split(['?', '#']).next().unwrap_or_default();
    is_plain && to.len() <= limits::TO && (path == HOME || path.starts_with("/web/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_keeps_leads_back_to_the_page_and_nowhere_else() {
        let flow = Flow::begin("/web/requests/R-1?a=b~c").unwrap();
        let again = Flow::of(&flow.cookie()).unwrap();
        assert_eq!((again.to.as_str(), again.state()), ("/web/requests/R-1?a=b~c", flow.state()));
        let all = [flow.state(), flow.nonce(), flow.verifier()];
        assert!(all.iter().all(|made| made.len() == 43 && !flow.cookie().contains(made.as_str())));
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        for to in [
            "",
            "/",
            "//evil.example/web",
            "https://evil.example/web/",
            "/webby",
            "/web/\\evil",
            "/web/\n",
            "web",
        ] {
            assert_eq!(Flow::begin(to).unwrap().to, "/web", "{to}");
            let forged = format!("{}~{}", flow.secret, URL_SAFE_NO_PAD.encode(to));
            assert!(Flow::of(&forged).is_none(), "{to}");
        }
        for cookie in ["", "~", "x~", "jite_~L3dlYg", &flow.secret] {
            assert!(Flow::of(cookie).is_none(), "{cookie}");
        }
    }
}
