//! The daemon `jitd`. See the library of the same name, and jitd(8).

fn main() -> std::process::ExitCode {
    jitd::run()
}
