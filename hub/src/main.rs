//! `jit-hub`.

fn main() -> std::process::ExitCode {
    hub::run()
}
