//! How sudo was called: whether it may ask at the terminal. The application tells a module nothing of that.

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

/// Whether the command line, as `/proc/PID/cmdline` has it (proc(5)), says that nobody is to be asked (`-n`), or
/// that a program or standard input answers (`-A`, `-S`): whoever calls sudo like that does not sit and read. What
/// cannot be read to the end of the options counts as that too.
pub fn asks_nobody(command_line: &[u8]) -> bool {
    let mut arguments = command_line.split(|byte| *byte == 0).skip(1);
    while let Some(argument) = arguments.next() {
        let is_value = match argument {
            b"--" => return false,
            [b'-', b'-', long @ ..] => match long_option(long) {
                Option::Nobody => return true,
                Option::Flag => false,
                Option::WithValue => true,
            },
            [b'-', short @ ..] if !short.is_empty() => match short_options(short) {
                Option::Nobody => return true,
                Option::Flag => false,
                Option::WithValue => true,
            },
            // `NAME=VALUE` stands among the options.
            other if other.contains(&b'=') => false,
            _ => return false,
        };
        if is_value {
            arguments.next();
        }
    }
    // It ends among the options, as with `sudo -v`, or was cut there.
    !command_line.ends_with(b"\0")
}

enum Option {
    Nobody,
    Flag,
    WithValue,
}

/// Long options can be cut short (getopt_long(3)).
fn long_option(option: &[u8]) -> Option {
    let (name, has_value) = match option.iter().position(|byte| *byte == b'=') {
        Some(at) => (option.get(..at).unwrap_or_default(), true),
        None => (option, false),
    };
    let starts = |whole: &[u8]| whole.starts_with(name);
    if starts(b"non-interactive") || starts(b"askpass") || starts(b"stdin") {
        Option::Nobody
    } else if !has_value && name != b"login" && LONG.iter().any(|whole| starts(whole)) {
        Option::WithValue
    } else {
        Option::Flag
    }
}

/// Several in one argument; the first that takes a value takes the rest of it.
fn short_options(options: &[u8]) -> Option {
    for (at, option) in options.iter().enumerate() {
        if b"nAS".contains(option) {
            return Option::Nobody;
        }
        if SHORT.contains(option) {
            return if at + 1 == options.len() { Option::WithValue } else { Option::Flag };
        }
    }
    Option::Flag
}
