//! How the daemon is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A word of where something lies for each 64 that are to be put right at the start, rather than three for each one
    // (DT_RELR, which glibc reads since 2.36): a megabyte less on the disk, and in memory, which a host keeps for its gate.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
