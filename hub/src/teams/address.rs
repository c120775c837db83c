//! Addresses that are called or believed in: HTTPS, and plain only on this machine itself.

use std::net::IpAddr;

/// An address without user, fragment or query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    url: reqwest::Url,
    authority: String,
}

impl Base {
    /// The address, if it is one that may be called.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is no address to call: {why}");
        let url = reqwest::Url::parse(text).map_err(|why| wrong(&why.to_string()))?;
        let host = url.host_str().ok_or_else(|| wrong("it names no host"))?.to_ascii_lowercase();
        let is_here = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(wrong("write it with https://")),
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(wrong("leave out user, query and fragment"));
        }
        let authority = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Ok(Self { url, authority })
    }

    /// Host, and port where that is not the usual one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What is below it, by these names: each is one segment, whatever is in it.
    pub fn below(&self, segments: &[&str]) -> reqwest::Url {
        let mut url = self.url.clone();
        // Only what has no host has no segments.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The address itself.
    pub fn url(&self) -> reqwest::Url {
        self.url.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_encrypted_is_called_on_this_machine_alone() {
        for good in [
            "https://smba.trafficmanager.net/emea/",
            "http://127.0.0.1:80/",
            "http://[::1]:9/x",
            "http://localhost:1",
        ] {
            assert!(Base::parse(good).is_ok(), "{good}");
        }
        for wrong in [
            "http://smba.trafficmanager.net/",
            "ftp://127.0.0.1/",
            "https://user@smba.trafficmanager.net/",
            "https://smba.trafficmanager.net/?a=b",
            "http://127.0.0.1.evil.example/",
            "smba.trafficmanager.net",
            "",
        ] {
            assert!(Base::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_in_an_address_is_one_segment_whatever_is_in_it() {
        let base = Base::parse("https://smba.trafficmanager.net/emea/").unwrap();
        assert_eq!(base.authority(), "smba.trafficmanager.net");
        let url = base.below(&["v3", "conversations", "19:a/../b@thread.tacv2;messageid=1?x", "activities"]);
        assert_eq!(
            url.as_str(),
            "https://smba.trafficmanager.net/emea/v3/conversations/19:a%2F..%2Fb@thread.tacv2;messageid=1%3Fx/activities"
        );
        assert_eq!(Base::parse("https://a.example:8443").unwrap().authority(), "a.example:8443");
    }
}
