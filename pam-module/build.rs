//! How the module is linked.
#![allow(clippy::print_stdout)] // how a build script speaks to cargo

fn main() {
    // libpam loads and unloads a module at each pam_start; staying loaded halves what that costs.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,pam_jit.so");
    println!("cargo::rerun-if-changed=build.rs");
}
