//! Mistakes sown.
