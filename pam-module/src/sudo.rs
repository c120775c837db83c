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
                Sort::Nobody => return true,
                Sort::Flag => false,
                Sort::WithValue => true,
            },
            [b'-', short @ ..] if !short.is_empty() => match short_options(short) {
                Sort::Nobody => return true,
                Sort::Flag => false,
                Sort::WithValue => true,
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

/// What an option does.
enum Sort {
    Nobody,
    Flag,
    WithValue,
}

/// Long options can be cut short (getopt_long(3)).
fn long_option(option: &[u8]) -> Sort {
    let (name, has_value) = match option.iter().position(|byte| *byte == b'=') {
        Some(at) => (option.get(..at).unwrap_or_default(), true),
        None => (option, false),
    };
    let starts = |whole: &[u8]| whole.starts_with(name);
    if starts(b"non-interactive") || starts(b"askpass") || starts(b"stdin") {
        Sort::Nobody
    } else if !has_value && name != b"login" && LONG.iter().any(|whole| starts(whole)) {
        Sort::WithValue
    } else {
        Sort::Flag
    }
}

/// Several in one argument; the first that takes a value takes the rest of it.
fn short_options(options: &[u8]) -> Sort {
    for (at, option) in options.iter().enumerate() {
        if b"nAS".contains(option) {
            return Sort::Nobody;
        }
        if SHORT.contains(option) {
            return if at + 1 == options.len() { Sort::WithValue } else { Sort::Flag };
        }
    }
    Sort::Flag
}
