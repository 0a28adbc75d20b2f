//! A procedural macro: it is compiled for the machine that compiles, by the image's host compiler.

use proc_macro::TokenStream;

/// The architecture that this macro was compiled for.
#[proc_macro]
pub fn host_arch(_: TokenStream) -> TokenStream {
    format!("{:?}", std::env::consts::ARCH).parse().unwrap()
}
