//! Two fifths of the module would be what std prints of a panic's stack, which `guarded` has nobody ever see. That std's printing
//! cannot be reached any more, so the linker leaves it out with all that it needs: this symbol comes first, and
//! `-z muldefs` (ld(1)) has the first one count. See build.rs, which finds its name in the toolchain's std.

use std::fmt;

/// What stands in for std's `impl Display` of a stack, whose signature this is.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps)]
fn nothing((): &(), _: &mut fmt::Formatter<'_>) -> fmt::Result {
    Ok(())
}

macro_rules! stands_in {
    ($jump:literal) => {
        std::arch::global_asm!(
            ".pushsection .text.std_backtrace, \"ax\", %progbits",
            concat!(".globl ", env!("STD_BACKTRACE")),
            concat!(".hidden ", env!("STD_BACKTRACE")),
            concat!(".type ", env!("STD_BACKTRACE"), ", %function"),
            concat!(env!("STD_BACKTRACE"), ":"),
            concat!($jump, " {nothing}"),
            ".popsection",
            nothing = sym nothing,
        );
    };
}

#[cfg(target_arch = "x86_64")]
stands_in!("jmp");
#[cfg(target_arch = "aarch64")]
stands_in!("b");
