//! Compiling plain loops for the vector units that the machine turns out to have.

/// Compiles a function three times on x86-64, for AVX-512, for AVX2 and for every machine, and calls the widest that the machine
/// can run. The bodies are plain loops; the compiler makes vector code of them.
macro_rules! with_vector_units {
    ($(#[$doc:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn widest($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn wide($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                // SAFETY: the machine has the features that the function was compiled for; every machine with AVX-512 has AVX2
                // and FMA.
                #[allow(unsafe_code)]
                return unsafe { widest($($argument),*) };
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: the machine has the features that the function was compiled for.
                #[allow(unsafe_code)]
                return unsafe { wide($($argument),*) };
            }
            body($($argument),*)
        }
    };
}

pub(crate) use with_vector_units;
