//! What a person saw of one command.

use std::process::Output;

/// Exit code and text.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was typed.
    pub command: String,
    /// Its exit code; 255 is ssh's own.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error, without ssh's remark on the new host key.
    pub err: String,
}

impl Seen {
    pub(crate) fn of(command: &str, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
        let err = text(&output.stderr);
        let err =
            err.lines().filter(|line| !line.contains("Permanently added")).collect::<Vec<_>>().join("\n");
        Self {
            command: command.to_owned(),
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err,
        }
    }

    /// It worked, quietly.
    #[track_caller]
    pub fn is_in(&self) -> &Self {
        assert!(self.code == 0, "should have been let in: {self:#?}");
        assert!(!self.err.contains("jit:"), "the gate is quiet when it lets in: {self:#?}");
        self
    }

    /// The gate refused, in one line that holds this.
    #[track_caller]
    pub fn is_refused_with(&self, words: &str) -> &Self {
        assert!(self.code != 0, "should have been refused: {self:#?}");
        let lines: Vec<&str> = self.err.lines().filter(|line| line.contains("jit: ")).collect();
        assert!(lines.len() == 1, "one line of the gate, not {}: {self:#?}", lines.len());
        assert!(self.err.contains(words), "should say {words:?}: {self:#?}");
        assert!(!self.out.contains("jit: "), "captured output stays clean: {self:#?}");
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Self {
        assert!(self.code == code, "should have ended with {code}: {self:#?}");
        self
    }

    /// It said this, on either channel.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.out.contains(words) || self.err.contains(words), "should say {words:?}: {self:#?}");
        self
    }

    /// The first id of this kind (`R-`, `G-`) in what it said.
    #[track_caller]
    pub fn id(&self, kind: &str) -> String {
        let both = format!("{}\n{}", self.err, self.out);
        let found = both
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|word| word.starts_with(kind) && word.len() == 13)
            .map(str::to_owned);
        match found {
            Some(id) => id,
            None => panic!("no {kind} id in {self:#?}"),
        }
    }
}
