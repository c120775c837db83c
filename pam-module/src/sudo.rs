//! How sudo was called, as far as it tells a module nothing of that: whether it may ask at the terminal, and whom it
//! would become where that matters before its session.
//!
//! Read as sudo's own getopt_long(3) and as sudo-rs reads it. Where the two differ, or it is not all there, it counts
//! as what asks for most.

/// Options that take the next argument as their value, as sudo(8) and sudo-rs have them.
const SHORT: &[u8] = b"aCcDghpRrTtUu";

/// The same by their long names.
const LONG: [&[u8]; 13] = [
    b"auth-type",
    b"chdir",
    b"chroot",
    b"close-from",
    b"command-timeout",
    b"group",
    b"host",
    b"login-class",
    b"other-user",
    b"prompt",
    b"role",
    b"type",
    b"user",
];

/// What a command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Called<'a> {
    /// Nobody is to be asked (`-n`), or a program or standard input answers (`-A`, `-S`): whoever calls sudo like that
    /// does not sit and read.
    pub asks_nobody: bool,
    /// It edits files (`sudoedit`, `-e`, `sudo sudoedit`), or may by a shell that its caller names (`-s`): they are copied
    /// before a session opens, and read before that.
    edits: bool,
    /// It counts as root whatever it becomes: with another group than the user's own (`-g`), which can be worth as much,
    /// or with options that cannot be told for sure.
    is_root: bool,
    /// Whom it becomes (`-u`).
    user: Option<&'a [u8]>,
}

/// Whom sudo becomes, as its command line has it.
#[derive(Debug, PartialEq, Eq)]
pub enum Becomes<'a> {
    /// Root, or what is worth as much.
    Root,
    /// The account of this name, or somebody by an id behind `#`.
    User(&'a [u8]),
}

impl<'a> Called<'a> {
    /// Reads a command line as `/proc/PID/cmdline` has it (proc(5)), of which at most `most` bytes were read.
    pub fn read(command_line: &'a [u8], most: usize) -> Self {
        let mut called = Self::default();
        // What was cut ends within an argument, or right behind one.
        let (whole, is_cut) = match command_line.iter().rposition(|byte| *byte == 0) {
            Some(end) => (
                command_line.get(..end).unwrap_or_default(),
                end + 1 < command_line.len() || command_line.len() >= most,
            ),
            None => (&[][..], true),
        };
        let mut arguments = Arguments(Some(whole));
        called.edits =
            arguments.next().is_some_and(|program| program.ends_with(b"edit") || is_sudoedit(program));
        match called.options(arguments) {
            Some(command) => called.edits |= is_sudoedit(command),
            None if is_cut => called.is_unclear(),
            None => {}
        }
        called
    }

    /// Whom to ask about in the session phase, where that is somebody else than sudo says.
    pub fn in_session(&self) -> Option<Becomes<'a>> {
        self.is_root.then_some(Becomes::Root)
    }

    /// Whom to ask about before the session phase, where sudo says nothing of that; nobody where the session phase is
    /// early enough.
    pub fn before_session(&self) -> Option<Becomes<'a>> {
        match self.user {
            _ if self.is_root => Some(Becomes::Root),
            _ if !self.edits => None,
            Some(user) => Some(Becomes::User(user)),
            None => Some(Becomes::Root),
        }
    }

    /// Takes in the options, and gives back the command behind them, or the first file to edit.
    fn options(&mut self, mut arguments: Arguments<'a>) -> Option<&'a [u8]> {
        // Where the value of an option is `--`, sudo takes it for the end of them too, but only before `NAME=VALUE`.
        let mut is_behind_dashes = false;
        while let Some(argument) = arguments.next() {
            let option = match argument {
                b"--" => return arguments.next(),
                [b'-', b'-', long @ ..] => self.long(long),
                [b'-', short @ ..] if !short.is_empty() => self.short(short),
                other => match stands_among_options(other).filter(|stands| !stands || !is_behind_dashes) {
                    Some(true) => Takes::Nothing,
                    Some(false) => return Some(other),
                    None => {
                        self.is_unclear();
                        Takes::Nothing
                    }
                },
            };
            is_behind_dashes = false;
            match option {
                Takes::Nothing => {}
                // `-h` by itself asks for help, whatever comes then.
                Takes::Next(b'h') if arguments.0.is_some_and(|rest| rest.starts_with(b"-")) => {}
                Takes::Next(option) => {
                    let value = arguments.next();
                    is_behind_dashes = value == Some(b"--");
                    self.value(option, value);
                }
            }
        }
        None
    }

    /// Long options can be cut short (getopt_long(3)): what more than one begins with counts as each of them.
    fn long(&mut self, option: &'a [u8]) -> Takes {
        let (name, value) = match option.iter().position(|byte| *byte == b'=') {
            Some(at) => (option.get(..at).unwrap_or_default(), option.get(at + 1..)),
            None => (option, None),
        };
        let may_be = |whole: &[u8]| whole.starts_with(name);
        self.asks_nobody |= [&b"non-interactive"[..], b"askpass", b"stdin"].into_iter().any(may_be);
        self.edits |= may_be(b"edit") || may_be(b"shell");
        let option = match LONG.into_iter().find(|whole| may_be(whole)) {
            _ if name == b"login" => return Takes::Nothing,
            None => return Takes::Nothing,
            Some(b"group") => b'g',
            Some(b"user") => b'u',
            Some(_) => 0,
        };
        if value.is_some() {
            self.value(option, value);
            return Takes::Nothing;
        }
        Takes::Next(option)
    }

    /// Several in one argument; the first that takes a value takes the rest of it.
    fn short(&mut self, options: &'a [u8]) -> Takes {
        for (at, option) in options.iter().enumerate() {
            match option {
                b'n' | b'A' | b'S' => self.asks_nobody = true,
                b'e' | b's' => self.edits = true,
                option if SHORT.contains(option) => {
                    let rest = options.get(at + 1..).filter(|rest| !rest.is_empty());
                    if rest.is_none() {
                        return Takes::Next(*option);
                    }
                    self.value(*option, rest);
                    return Takes::Nothing;
                }
                _ => {}
            }
        }
        Takes::Nothing
    }

    fn is_unclear(&mut self) {
        self.asks_nobody = true;
        self.is_root = true;
    }

    /// The value of an option; none where it is missing, or cut off.
    fn value(&mut self, option: u8, value: Option<&'a [u8]>) {
        match option {
            b'g' => self.is_root = true,
            b'u' if self.user.is_some_and(|user| Some(user) != value) => self.is_unclear(),
            b'u' => self.user = value,
            _ => {}
        }
    }
}

/// The arguments of a command line that are left, with a NUL between two.
struct Arguments<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Arguments<'a> {
    type Item = &'a [u8];

    // Once in the module, which every login maps, and not at each place that asks for the next one.
    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let (next, rest) = match rest.iter().position(|byte| *byte == 0) {
            Some(end) => (rest.get(..end)?, rest.get(end + 1..)),
            None => (rest, None),
        };
        self.0 = rest;
        Some(next)
    }
}

/// What an option makes of the argument behind it.
enum Takes {
    /// It takes nothing, or has its value with it.
    Nothing,
    /// The next argument is the value of this option.
    Next(u8),
}

/// Whether this is `sudoedit` or another of its names, in whatever folder: sudo looks at the end of a path alone.
fn is_sudoedit(mut program: &[u8]) -> bool {
    while let Some(path) = program.strip_suffix(b"/").or_else(|| program.strip_suffix(b"/.")) {
        program = path;
    }
    program.rsplit(|byte| *byte == b'/').next().is_some_and(|name| name.starts_with(b"sudoedit"))
}

/// Whether this is `NAME=VALUE`, which stands among the options, or the command, behind which there are none. Nothing
/// where sudo goes on behind it and sudo-rs does not, or the other way round.
fn stands_among_options(argument: &[u8]) -> Option<bool> {
    if argument == b"-" {
        return None;
    }
    let Some(at) = argument.iter().position(|byte| *byte == b'=') else { return Some(false) };
    if argument.starts_with(b"/") {
        return Some(false);
    }
    let name = argument.get(..at).unwrap_or_default();
    let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (is_plain && !name.is_empty()).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 4096;

    /// As somebody writes it in a shell, without quotes.
    fn called(words: &str) -> Called<'static> {
        let line: Vec<u8> =
            words.split(' ').flat_map(|word| word.bytes().chain([0]).collect::<Vec<_>>()).collect();
        Called::read(line.leak(), MOST)
    }

    #[test]
    fn what_edits_says_whom_it_becomes_before_its_session() {
        for words in [
            "sudo -e -u postgres /etc/shadow",
            "sudo -u postgres -e /etc/shadow",
            "sudo -upostgres -e f",
            "sudo -neu postgres f",
            "sudo -nupostgres --edit f",
            "sudo --edit --user postgres f",
            "sudo --e --user=postgres f",
            "sudo --ed --us postgres f",
            "sudo -p prompt -e --use=postgres f",
            "sudo A=b -e C=d -u postgres f",
            "sudo -h host -e -u postgres f",
            "sudo -e -u postgres -u postgres f",
            "sudoedit -u postgres f",
            "/usr/bin/sudoedit -u postgres -- f",
            "sudoedit/// -u postgres f",
            "lt-edit -u postgres f",
            "/usr/bin/sudoedit-rs -u postgres f",
            "sudo -u postgres sudoedit f",
            "sudo -u postgres -- sudoedit-rs f",
            "sudo -u postgres A=b /tmp/sudoedit f",
            "sudo -u postgres sudoedit/. f",
            "sudo -u postgres sudoedit/ f",
            "sudo -u postgres -s f",
            "sudo -nsu postgres",
            "sudo --shell --user postgres f",
            "sudo -p -- -e -u postgres f",
        ] {
            let called = called(words);
            assert_eq!(called.before_session(), Some(Becomes::User(b"postgres")), "{words}");
            assert_eq!(called.in_session(), None, "{words}: sudo says it itself by then");
        }
        for words in [
            "sudo -e f",
            "sudo sudoedit f",
            "sudo -- sudoedit",
            "sudo -s",
            "sudoedit f",
            "sudo -ne -- f",
            "sudo -U postgres -e f",
            "edit f",
            "sudoedit",
        ] {
            assert_eq!(called(words).before_session(), Some(Becomes::Root), "{words}");
        }
        assert_eq!(called("sudo -e -u #33 f").before_session(), Some(Becomes::User(b"#33")));
    }

    #[test]
    fn what_runs_a_command_waits_for_its_session() {
        for words in [
            "sudo true",
            "sudo -u postgres true",
            "sudo -u postgres vi -e f",
            "sudo -n -- -e",
            "sudo -u edit true",
            "sudo -ue true",
            "sudo -p -e true",
            "sudo --prompt -e true",
            "sudo --login -u postgres",
            "sudo -i",
            "sudo -u postgres -- mysudoedit f",
            "sudo -u postgres true sudoedit",
            "sudo -v",
            "sudo /a=b -e f",
            "sudo A=-e true",
            "sudo editor",
            "visudo",
        ] {
            let called = called(words);
            assert_eq!((called.before_session(), called.in_session()), (None, None), "{words}");
        }
    }

    #[test]
    fn another_group_is_worth_root_always() {
        for words in [
            "sudo -g disk true",
            "sudo -u postgres -g disk true",
            "sudo -gdisk -u postgres true",
            "sudo -ngdisk true",
            "sudo -u postgres --group disk true",
            "sudo --group=disk true",
            "sudo --gr disk true",
            "sudo --g=disk true",
            "sudo -u postgres A=b -g disk true",
            "sudo -e -u postgres -g disk f",
            "sudoedit -g disk -u postgres f",
            "sudo -h -g disk true",
        ] {
            let called = called(words);
            assert_eq!(called.before_session(), Some(Becomes::Root), "{words}");
            assert_eq!(called.in_session(), Some(Becomes::Root), "{words}");
        }
        for words in ["sudo -u postgres newgrp -g", "sudo -u -g true", "sudo -p -g true", "sudo -- x -g disk"]
        {
            assert_eq!(called(words).in_session(), None, "{words}");
        }
    }

    #[test]
    fn what_is_cut_or_not_clear_among_its_options_counts_as_root() {
        fn cut(line: &[u8]) -> Called<'_> {
            Called::read(line, MOST)
        }
        for line in
            [&b""[..], b"sudo", b"sudo\0-u\0postgr", b"sudo\0-u\0postgres\0-", b"sudo\0A", b"sudo\0A=b\0tr"]
        {
            let called = cut(line);
            assert!(called.asks_nobody, "{line:?}");
            assert_eq!(called.before_session(), Some(Becomes::Root), "{line:?}");
            assert_eq!(called.in_session(), Some(Becomes::Root), "{line:?}");
        }
        assert_eq!(Called::read(b"sudo\0-k\0", 8).in_session(), Some(Becomes::Root), "cut right behind one");
        assert_eq!(Called::read(b"sudo\0-k\0", 9).in_session(), None);
        assert_eq!(cut(b"sudo\0-u\0postgres\0psql\0-c\0sel").in_session(), None, "cut behind its options");
        assert_eq!(cut(b"sudo\0--\0tr").in_session(), Some(Becomes::Root), "it may be sudoedit");
        assert_eq!(cut(b"sudo\0--\0true\0x").in_session(), None);
        for words in [
            "sudo -e -p -- A=b -u postgres /etc/shadow",
            "sudo -u postgres - -g disk true",
            "sudoedit a-b=c -u postgres f",
            "sudo -u postgres -u root -e f",
            "sudo =x -u postgres true",
        ] {
            assert_eq!(called(words).before_session(), Some(Becomes::Root), "{words}");
        }
    }

    #[test]
    fn who_says_that_nobody_answers_is_not_asked() {
        for words in [
            "sudo -n true",
            "sudo -kn true",
            "sudo --non true",
            "sudo -S true",
            "sudo --askpass true",
            "sudo A=b -A x",
        ] {
            assert!(called(words).asks_nobody, "{words}");
        }
        for words in ["sudo true -n", "sudo -u n true", "sudo -p -n true", "sudo -- -n", "sudo -v", "sudo -k"]
        {
            assert!(!called(words).asks_nobody, "{words}");
        }
    }
}
