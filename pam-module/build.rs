//! How the module is linked.
#![allow(clippy::print_stdout, clippy::disallowed_methods)] // how a build script and cargo speak

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // libpam loads and unloads a module at each pam_start; staying loaded halves what that costs.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,pam_jit.so");
    // The unwinder comes along: loading libgcc_s.so would cost every login more than asking its question.
    // std names that library itself, so a linker script of its name, found first, names the static one.
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo::rustc-cdylib-link-arg=-L{}", folder.display());
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
