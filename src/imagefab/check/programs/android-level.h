#if !defined __ANDROID__ || __ANDROID_API__ < 21
#error "the compiler does not say which API level it is for"
#endif
