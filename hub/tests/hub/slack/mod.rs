//! Clicks and words in Slack, against a double of it that signs and looks at messages by Slack's own library.

mod believing;
mod deciding;
pub mod double;
mod words;
