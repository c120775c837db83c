//! How the module is linked.
#![allow(clippy::print_stdout, clippy::disallowed_methods)] // how a build script and cargo speak

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

/// What the name of std's `impl Display` of a panic's stack has in it (`std::sys::backtrace::BacktraceLock::print`).
const BACKTRACE: &[u8] = b"13BacktraceLock5printNtB2_16DisplayBacktrace";

fn main() -> Result<(), Box<dyn Error>> {
    // libpam loads and unloads a module at each pam_start; staying loaded halves what that costs.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,pam_jit.so");
    // The unwinder comes along: loading libgcc_s.so would cost every login more than asking its question.
    // std names that library itself, so a linker script of its name, found first, names the static one.
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo::rustc-cdylib-link-arg=-L{}", folder.display());
    // See src/sys/backtrace.rs. Elsewhere, or where std has no such name, it is linked whole: the module is twice as large.
    println!("cargo::rustc-check-cfg=cfg(std_backtrace)");
    let has_jump = ["x86_64", "aarch64"].contains(&std::env::var("CARGO_CFG_TARGET_ARCH")?.as_str());
    if let Some(symbol) = backtrace()?.filter(|_| has_jump) {
        println!("cargo::rustc-cfg=std_backtrace");
        println!("cargo::rustc-env=STD_BACKTRACE={symbol}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,muldefs");
    }
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}

/// The symbol of that `fmt` in the std that is linked, which each toolchain gives another hash.
fn backtrace() -> Result<Option<String>, Box<dyn Error>> {
    let sysroot = Command::new(std::env::var("RUSTC")?).args(["--print", "sysroot"]).output()?.stdout;
    let libraries = PathBuf::from(String::from_utf8(sysroot)?.trim())
        .join("lib/rustlib")
        .join(std::env::var("TARGET")?)
        .join("lib");
    let Ok(entries) = libraries.read_dir() else { return Ok(None) };
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with("libstd-") && path.extension().is_some_and(|end| end == "rlib")
        {
            // A table of symbols has a zero byte around each.
            let bytes = std::fs::read(path)?;
            let mut strings = bytes.split(|byte| *byte == 0);
            let found = strings.find(|string| {
                string.starts_with(b"_RNvX")
                    && string.ends_with(b"7Display3fmt")
                    && string.windows(BACKTRACE.len()).any(|part| part == BACKTRACE)
            });
            return Ok(found.map(|symbol| String::from_utf8_lossy(symbol).into_owned()));
        }
    }
    Ok(None)
}
