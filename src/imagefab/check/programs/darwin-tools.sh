lipo -archs part.o
@ar@ rcs libpart.a part.o
@ranlib@ libpart.a
@cc@ -nostdlib -dynamiclib part.o -o libpart.dylib -Wl,-undefined,dynamic_lookup -install_name /old
install_name_tool -id @rpath/libpart.dylib libpart.dylib
otool -D libpart.dylib | grep -x '@rpath/libpart.dylib'
test "$(xcrun --sdk macosx --show-sdk-path)" = "$SDKROOT"
xcrun --find clang
