//! The command `jit`. See the library of the same name.

fn main() -> std::process::ExitCode {
    jit::run()
}
